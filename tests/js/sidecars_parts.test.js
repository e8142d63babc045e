import assert from 'node:assert/strict';
import { test } from 'node:test';

import { MOST, parted, spokenParts } from '../../imlcull_al/ui/assets/logic/sidecars_parts.js';

const files = (...sizes) => sizes.map((size, at) => ({ name: `${at}.xmp`, file: { size } }));
const names = (parts) => parts.map((part) => part.map(({ name }) => name).join(' '));

test('sidecars are sent in parts that a request takes', () => {
  assert.deepEqual(names(parted(files(MOST, 1, MOST - 1, 1)).parts), ['0.xmp', '1.xmp 2.xmp', '3.xmp']);
  assert.deepEqual(parted(files(...Array(2001).fill(1))).parts.map((part) => part.length), [2000, 1]);
  assert.deepEqual(parted([]), { parts: [], large: [], others: 0 });
});

test('what is no sidecar or too large is left out and said', () => {
  const found = parted([...files(5, MOST + 1), { name: 'A.XMP', file: { size: 1 } }, { name: 'a.jpg', file: { size: 1 } }]);
  assert.deepEqual(names(found.parts), ['0.xmp A.XMP']);
  assert.equal(spokenParts(found), '2 sidecars sent. Left out, as larger than 2.5 MB: 1.xmp. 1 other file left out.');
  assert.equal(spokenParts(parted([])), 'There are no sidecars that can be sent: .xmp files.');
});
