/** Volumes in a pool of a storage array: sizes in whole gigabytes, in total at most the size of the pool. */
import { extentOf } from './installed/array-client-1.2.0.mjs';

export class Pool {
  #free;
  #volumes = new Map();

  constructor(gigabytes) {
    this.#free = gigabytes;
  }

  get free() {
    return this.#free;
  }

  create(name, gigabytes) {
    if (this.#volumes.has(name)) throw new Error(`volume ${name} exists`);
    this.#allocate(gigabytes);
    this.#volumes.set(name, gigabytes);
    return { name, gigabytes, extents: extentOf(gigabytes) };
  }

  extend(name, gigabytes) {
    const size = this.#size(name);
    if (gigabytes < size) throw new Error(`volume ${name} cannot shrink`);
    this.#allocate(gigabytes - size);
    this.#volumes.set(name, gigabytes);
  }

  remove(name) {
    this.#free += this.#size(name);
    this.#volumes.delete(name);
  }

  #size(name) {
    const size = this.#volumes.get(name);
    if (size === undefined) throw new Error(`no volume ${name}`);
    return size;
  }

  #allocate(gigabytes) {
    if (gigabytes > this.#free) throw new Error('pool is full');
    this.#free -= gigabytes;
  }
}
