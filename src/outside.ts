/**
 * Where an index that planning or `gc` computed must hit: `row[n] ?? outside()`. A wrong index ends the work; it never reads
 * as offset 0. It stands alone as the one way to say so. It is no `at(row, n)`: such a function is not inlined into the
 * loops of a plan, and lists of a million versions took three times as long. It must not stand where absence is normal.
 */
export function outside(): never {
  throw new RangeError('an index lies outside its row');
}
