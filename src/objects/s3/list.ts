/**
 * What the answer to ListObjectsV2 says, checked: whoever deletes by a listing must not go by one that is out of order,
 * or lacks what it tells of an object (I10). It sends nothing.
 */
import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import type { ListedObject, ObjectPage } from '../port.ts';
import { type RequestContext, storeError } from './errors.ts';

/**
 * Throws `store-refused` (halt) for a page that is not ascending, not behind `after`, or not whole. The document itself was
 * looked at before it was parsed (answers.ts).
 */
export function listedPage(
  answer: ListObjectsV2CommandOutput,
  after: string | undefined,
  context: RequestContext,
): ObjectPage {
  if (answer.IsTruncated === undefined)
    throw storeError('store-refused', context, 'the server does not say whether its listing is whole (IsTruncated)');
  let previous = after === undefined ? undefined : Buffer.from(after);
  const objects: ListedObject[] = [];
  for (const { Key: name, Size: bytes, LastModified } of answer.Contents ?? []) {
    const modifiedMs = LastModified?.getTime() ?? Number.NaN;
    if (name === undefined || bytes === undefined || Number.isNaN(modifiedMs)) {
      throw storeError('store-refused', context, 'the server listed an object without name, size or time');
    }
    const key = Buffer.from(name);
    if (previous !== undefined && Buffer.compare(previous, key) >= 0) {
      throw storeError('store-refused', context, 'the server listed objects that are not in the order of their names');
    }
    previous = key;
    objects.push({ name, bytes, modifiedMs });
  }
  const more = answer.IsTruncated;
  if (answer.KeyCount !== undefined && answer.KeyCount !== objects.length)
    throw storeError('store-refused', context, `the server listed ${objects.length} objects as ${answer.KeyCount}`);
  if (more && objects.length === 0) throw storeError('store-refused', context, 'the server listed nothing, and more');
  return { objects, more };
}
