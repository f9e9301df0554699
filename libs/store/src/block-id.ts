/** Names of the attempt log's blocks, the same in every adapter: a reader of several partitions goes through them by instant. */

/** The instant and the number of an id. Throws a `RangeError` for what is none. */
export function readBlockId(id: string): [at: number, number: number] {
  const shape = /^(\d{1,13})-(\d{1,14})$/.exec(id);
  if (!shape) throw new RangeError(`${id} is no block's id`);
  return [Number(shape[1]), Number(shape[2])];
}
