// Finds and reads ambientd.yaml beside the manifests, and --run. Paths in, commands by image out.
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type CommandsText, type ImageCommands, imageCommandsFile, parseImageCommands } from './image-commands.ts';

export function readImageCommands(
  manifests: readonly string[],
  run: readonly string[],
  workFolder: string,
): ImageCommands {
  const folders = manifests.map((path) => (isFolder(path) ? path : dirname(path)));
  const texts = [...new Set(folders)].flatMap((folder): readonly CommandsText[] => {
    const file = join(folder, imageCommandsFile);
    try {
      return [{ file, folder, text: readFileSync(file, 'utf8') }];
    } catch {
      return [];
    }
  });
  return parseImageCommands(texts, run, workFolder);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
