// Sizes and places of a photo on the screen. Rectangles are [left, top, width, height].

// Width and height from the JPEG frame header (SOF); null if there is none.
export function sizeOf(bytes) {
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1];
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return [bytes[at + 7] * 256 + bytes[at + 8], bytes[at + 5] * 256 + bytes[at + 6]];
    at += 2 + bytes[at + 2] * 256 + bytes[at + 3];
  }
  return null;
}

// The largest rectangle of the photo's shape inside `room`, in whole pixels and centered.
export function fitted([width, height], [roomWide, roomHigh]) {
  const scale = Math.min(roomWide / width, roomHigh / height);
  const [wide, high] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  return [Math.round((roomWide - wide) / 2), Math.round((roomHigh - high) / 2), wide, high];
}

// Start of a photo of `size` in `room`, along one axis: centered if it fits, else without a gap at either end.
export function clamped(start, size, room) {
  return size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, start));
}

// Start of a photo enlarged to `size` such that the point at `value` stays under the pointer, along one axis.
// `from`, `length`: where the photo lies before. Points beside the photo count as its edge.
export function enlarged(value, from, length, size) {
  return value - Math.min(1, Math.max(0, (value - from) / length)) * size;
}
