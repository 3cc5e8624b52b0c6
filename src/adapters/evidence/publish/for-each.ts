/** Calls `work` for each item, a few at once. After a failure no further item is begun. */
export async function forEach<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = [...items].reverse();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined && failures.length === 0; item = left.pop()) {
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (failures.length > 0) throw failures[0];
}
