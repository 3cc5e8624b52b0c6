/**
 * The part of a configuration that applies to new admissions: rules, jobs, report, mail, queue. Admitted reviews keep
 * the settings that they were admitted with, so this part can be reloaded while the daemon runs.
 */

import type { Config, MailConfig } from '../config/config.ts';
import { triggerRules } from '../config/sections/triggers.ts';
import type { AdmissionSettings } from '../engine/intake/admission.ts';
import type { ProviderRegistry } from '../engine/operations/provider-registry.ts';
import type { MailSpec } from '../machines/review/mail.ts';
import type { SlotLimits } from '../machines/slot-queue.ts';

/** Command line options that override the file. */
export interface Overrides {
  /** Overrides the slots of every provider. */
  readonly slots?: number;
  /** False: shadow mode, everything except posting. */
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

/** Null: no mail about ended reviews. */
function mailSpec(mail: MailConfig | null): MailSpec | null {
  if (mail === null || mail.on === 'never' || mail.to.length === 0) return null;
  const { to, on, attempts, retryMs, timeoutMs } = mail;
  return { to, on, attempts, retryMs, timeoutMs };
}

/** @param slots the current slots of the providers, and why they are fewer than configured */
export function slotLimits(
  config: Config,
  { slots, slotReasons }: Pick<ProviderRegistry, 'slots' | 'slotReasons'>,
): SlotLimits {
  const jobs = config.jobs.flatMap(({ spec, concurrency }) =>
    concurrency === null ? [] : [[spec.name, concurrency] as const],
  );
  const { projects, backends, limits } = config;
  return {
    slots,
    slotReasons,
    jobs: Object.fromEntries(jobs),
    projects,
    backends,
    starvationTimeoutMs: limits.starvationTimeoutMs,
  };
}
