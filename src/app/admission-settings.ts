/**
 * The part of a configuration that counts for what is accepted from now on: rules, jobs, report, places in the queue.
 * What was accepted before keeps what it was accepted with, so this part can be read anew while the daemon runs.
 */

import type { Config, MailConfig } from '../config/config.ts';
import { triggerRules } from '../config/sections/triggers.ts';
import type { AdmissionSettings } from '../engine/intake/admission.ts';
import type { MailSpec } from '../machines/review/mail.ts';
import type { SlotLimits } from '../machines/slot-queue.ts';

/** What a command line says on top of the file. */
export interface Overrides {
  /** Instead of the slots of every provider. */
  readonly slots?: number;
  /** False: everything but the post. */
  readonly report?: boolean;
}

export function admissionSettings(config: Config, overrides: Overrides): AdmissionSettings {
  const { pipeline, enabled } = config.report;
  return {
    rules: triggerRules(config),
    specs: new Map(config.jobs.map(({ spec }) => [spec.name, spec])),
    plan: config.prepare,
    report: { ...config.report, enabled: enabled && (overrides.report ?? true) },
    mail: mailSpec(config.mail),
    pipeline,
    queueLength: config.limits.maxOpenJobs,
    headStartsMs: config.headStartsMs,
  };
}

/** Null: nobody wants to hear how reviews end. */
function mailSpec(mail: MailConfig | null): MailSpec | null {
  if (mail === null || mail.on === 'never' || mail.to.length === 0) return null;
  const { to, on, attempts, retryMs, timeoutMs } = mail;
  return { to, on, attempts, retryMs, timeoutMs };
}

/** @param slots of the providers, as they are now */
export function slotLimits(config: Config, slots: SlotLimits['slots']): SlotLimits {
  const jobs = config.jobs.flatMap(({ spec, concurrency }) =>
    concurrency === null ? [] : [[spec.name, concurrency] as const],
  );
  const { projects, limits } = config;
  return {
    slots,
    jobs: Object.fromEntries(jobs),
    projects,
    patienceMs: limits.starvationTimeoutMs,
  };
}
