/**
 * The interface of the demo to a Gerrit, embedded or real: accounts, a project, what Gerrit shows, and a way to hold back the
 * response to a review.
 */
import type { Files } from './sample-project.ts';

/** A review that Gerrit accepted and whose response has not reached the daemon. */
export interface HeldResponse {
  readonly accepted: Promise<void>;
  /** Releases the response. Call it after the daemon that posted is dead. */
  release(): void;
}

export interface GerritHost {
  /** The name to print: `embedded`, `Gerrit 3.9.1`. */
  readonly title: string;
  /** Username and display name of the CI's account. */
  readonly ci: string;
  readonly ciName: string;
  readonly host: string;
  /** The port for the daemon. */
  readonly port: number;
  /** The port for developers. */
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
  /** Approves and merges a change as an administrator. */
  merge(change: number): Promise<void>;
  /** How many reviews the CI has sent. */
  reviewsSent(): Promise<number>;
  /** Holds the response to the next review. */
  holdResponse(): HeldResponse;
}
