/**
 * What the demo asks of a Gerrit, embedded or real: people and a project on it, what it shows to them, and a way to
 * stand between a review and its answer.
 */
import type { Files } from './sample-project.ts';

/** A review that Gerrit has taken and whose answer has not reached the daemon. */
export interface HeldResponse {
  readonly taken: Promise<void>;
  /** Lets go; to be called when the daemon that asked is dead. */
  release(): void;
}

export interface GerritHost {
  /** As it is shown: `embedded`, `Gerrit 3.9.1`. */
  readonly title: string;
  /** Username and display name of the CI's account. */
  readonly ci: string;
  readonly ciName: string;
  readonly host: string;
  /** Where the daemon connects to. */
  readonly port: number;
  /** Where people do. */
  readonly developerPort: number;
  /** Lines of a known_hosts file for both. */
  readonly knownHosts: string;

  start(): Promise<void>;
  stop(): Promise<void>;
  /** Path of an account's private key; after `start`. */
  keyFile(username: string): string;
  createProject(name: string, files: Files): Promise<void>;
  /** Number of the newest change. */
  newestChange(): Promise<number>;
  /** Texts of the CI's messages on a change, oldest first. */
  messages(change: number): Promise<readonly string[]>;
  /** The CI's votes on its current patchset. */
  votes(change: number): Promise<Readonly<Record<string, number>>>;
  /** Somebody who may approves and merges it. */
  merge(change: number): Promise<void>;
  /** How often the CI asked to post a review, all in all. */
  reviewsSent(): Promise<number>;
  /** For the next review on this change or a later one. */
  holdResponse(): HeldResponse;
}
