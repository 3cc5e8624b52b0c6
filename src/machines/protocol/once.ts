/**
 * Builds a value on its first use. Building a machine takes milliseconds, and most commands of the CLI need none of
 * them.
 */
export function once<T extends object>(build: () => T): () => T {
  let built: T | null = null;
  return () => {
    built ??= build();
    return built;
  };
}
