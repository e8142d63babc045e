// Files that were dropped or chosen, including folders, as { file, name }: the name has the folders.

export async function droppedFiles(data) {
  const items = [...data.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  return (await Promise.all(items.map((item) => filesIn(item, '')))).flat();
}

export function chosenFiles(input) {
  const files = [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
  input.value = '';
  return files;
}

async function filesIn(item, prefix) {
  if (item.isFile) {
    const file = await new Promise((resolve, reject) => { item.file(resolve, reject); });
    return [{ file, name: prefix + item.name }];
  }
  const inside = await Promise.all((await entriesOf(item)).map((each) => filesIn(each, `${prefix}${item.name}/`)));
  return inside.flat();
}

async function entriesOf(folder) {
  const reader = folder.createReader(), found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (!some.length) return found;
    found.push(...some);
  }
}
