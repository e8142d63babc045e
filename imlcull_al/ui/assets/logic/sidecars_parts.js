// Which of the dropped files are sidecars, in parts that fit into one request, and what is said of them.
export const MOST = 2_500_000; // bytes of a part; base64 makes a third more of them, and a request takes four million
const MOST_FILES = 2000;

// Files as { file, name } → { parts: lists of sidecars, large: those that no part takes, others: how many are no sidecars }.
export function parted(files) {
  const sidecars = files.filter(({ name }) => name.toLowerCase().endsWith('.xmp'));
  const large = sidecars.filter(({ file }) => file.size > MOST), parts = [];
  let bytes = Infinity;
  for (const each of sidecars) {
    if (each.file.size > MOST) continue;
    if (bytes + each.file.size > MOST || parts.at(-1).length === MOST_FILES) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1).push(each);
    bytes += each.file.size;
  }
  return { parts, large, others: files.length - sidecars.length };
}

export function spokenParts({ parts, large, others }) {
  const count = parts.reduce((sum, part) => sum + part.length, 0);
  return [
    count ? `${number(count, 'sidecar')} sent.` : 'There are no sidecars that can be sent: .xmp files.',
    large.length ? `Left out, as larger than 2.5 MB: ${large.slice(0, 3).map(({ name }) => name).join(', ')}${large.length > 3 ? ' and others' : ''}.` : '',
    others ? `${number(others, 'other file')} left out.` : '',
  ].filter(Boolean).join(' ');
}

const number = (count, what) => `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`;
