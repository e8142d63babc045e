// What the Photos screen of a public page says, and which files come first.

export function limitOf(bytes) { return bytes % 2 ** 30 ? `${Math.floor(bytes / 2 ** 20)} MB` : `${bytes / 2 ** 30} GB`; }

export function sizeOf(bytes) { return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`; }

function minutes(seconds) { return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`; }

// Photos first: a RAW file alone opens no workspace. `suffixes`: those of photos, in lower case.
export function photosFirst(files, suffixes) {
  const isPhoto = ({ name }) => suffixes.some((suffix) => name.toLowerCase().endsWith(suffix));
  return [...files].sort((one, other) => isPhoto(other) - isPhoto(one));
}

// Why a file is not sent: empty if it may be. `limits`: bytes of a photo and of a zip.
export function tooLarge({ file, name }, limits) {
  const most = Number(/\.zip$/i.test(name) ? limits.total : limits.photo);
  return file.size > most ? `It is larger than ${limitOf(most)}; leave it out.` : '';
}

// `share`: of all bytes that were sent in this many seconds.
export function spokenProgress(number, count, share, seconds) {
  const left = share > 0.02 && share < 1 ? seconds / share - seconds : 0;
  return `Uploading ${number} of ${count}${left >= 1 ? ` · about ${minutes(left)} left` : ''}`;
}

// `sums`: files that were new, known under the same name, and passed over.
export function spokenSums(sums) {
  const words = [`${sums.new.toLocaleString('en')} new photo${sums.new === 1 ? '' : 's'}.`];
  if (sums.known) words.push(`${sums.known} ${sums.known === 1 ? 'was' : 'were'} already here under the same name.`);
  if (sums.passed_over) words.push(`${sums.passed_over} other file${sums.passed_over === 1 ? ' was' : 's were'} skipped.`);
  return words.join(' ');
}

export function spokenHoldings({ files, bytes }) {
  return `${files.toLocaleString('en')} file${files === 1 ? '' : 's'}, ${sizeOf(bytes)}`;
}
