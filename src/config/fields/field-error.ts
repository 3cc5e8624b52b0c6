/** What is wrong with a value, and the next step. */
export class FieldError {
  readonly what: string;
  readonly next: string;
  /** The errors of individual list items, by index. Empty: the error concerns the whole value. */
  readonly items: ReadonlyMap<number, FieldError>;

  constructor(what: string, next = '', items: ReadonlyMap<number, FieldError> = new Map()) {
    this.what = what;
    this.next = next;
    this.items = items;
  }
}
