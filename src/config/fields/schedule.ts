/** Times in cron's syntax. All of them are in UTC, so that daylight saving time skips and repeats nothing. */
import { Cron } from 'croner';
import { errorText } from '../../errors.ts';
import { FieldError } from './field-error.ts';

/** Five fields, without seconds and without a time zone. */
function parse(schedule: string): Cron {
  return new Cron(schedule, { timezone: 'UTC', mode: '5-part', paused: true });
}

export function scheduleText(value: string): FieldError | null {
  try {
    if (parse(value).nextRun() !== null) return null;
    return new FieldError(`${JSON.stringify(value)} never comes`, 'write it like 0 4 * * *');
  } catch (thrown) {
    return new FieldError(
      `${JSON.stringify(value)} is not a schedule: ${errorText(thrown)}`,
      'write five fields, as in crontab: 0 4 * * * is each day at 04:00 UTC',
    );
  }
}

/** The first time of the schedule after this one; null: there is none. Epoch ms. */
export function nextTime(schedule: string, after: number): number | null {
  return parse(schedule).nextRun(new Date(after))?.getTime() ?? null;
}
