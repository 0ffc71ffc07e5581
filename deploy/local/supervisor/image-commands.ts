// What a container runs where there are no images: `ambientd.yaml` beside the manifests, or `--run image=command`.
// File texts in, commands by image out; look-up from the most to the least exact form of the image's name.
import { parse } from 'yaml';
import type { ResourceProblem } from '../../../common/sources/resource-problem.ts';
import { fieldsOf } from '../materialize/kubernetes-object.ts';

export interface ImageCommand {
  readonly argv: readonly string[];
  /** Folder in which it runs. */
  readonly folder: string;
}

export interface ImageCommands {
  readonly byImage: ReadonlyMap<string, ImageCommand>;
  readonly env: Readonly<Record<string, string>>;
  readonly problems: readonly ResourceProblem[];
}

export const imageCommandsFile = 'ambientd.yaml';

export interface CommandsText {
  readonly file: string;
  readonly folder: string;
  readonly text: string;
}

export function parseImageCommands(
  files: readonly CommandsText[],
  options: readonly string[],
  folder: string,
): ImageCommands {
  const byImage = new Map<string, ImageCommand>();
  const env: Record<string, string> = {};
  const problems: ResourceProblem[] = [];
  for (const file of files) readFile(file, byImage, env, problems);
  for (const option of options) {
    const equals = option.indexOf('=');
    byImage.set(option.slice(0, equals), { argv: shellCommand(option.slice(equals + 1)), folder });
  }
  return { byImage, env, problems };
}

/** `ghcr.io/a/podinfo:6.7` is looked up as that, then `ghcr.io/a/podinfo`, `podinfo:6.7`, `podinfo`. */
export function commandFor(image: string, commands: ImageCommands): ImageCommand | undefined {
  const plain = image.replace(/@sha256:[0-9a-f]+$/, '');
  const short = plain.slice(plain.lastIndexOf('/') + 1);
  for (const name of [image, plain, withoutTag(plain), short, withoutTag(short)]) {
    const found = commands.byImage.get(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function withoutTag(image: string): string {
  const colon = image.lastIndexOf(':');
  return colon > image.lastIndexOf('/') ? image.slice(0, colon) : image;
}

function readFile(
  file: CommandsText,
  byImage: Map<string, ImageCommand>,
  env: Record<string, string>,
  problems: ResourceProblem[],
): void {
  const report = (message: string, remedy: string) => {
    problems.push({ severity: 'error', file: file.file, message, remedy });
  };
  let document: unknown;
  try {
    document = parse(file.text);
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    report(`is no YAML: ${reason}`, 'mend the syntax');
    return;
  }
  const fields = fieldsOf(document);
  for (const key of Object.keys(fields)) {
    if (key !== 'run' && key !== 'env') report(`has "${key}", which is not known`, 'use run and env');
  }
  for (const [image, command] of Object.entries(fieldsOf(fields['run']))) {
    const argv = typeof command === 'string' ? shellCommand(command) : argvOf(command);
    if (argv === undefined)
      report(`run: "${image}" has no command`, 'write ["program", "argument"] or "program argument"');
    else byImage.set(image, { argv, folder: file.folder });
  }
  for (const [name, value] of Object.entries(fieldsOf(fields['env']))) env[name] = `${value ?? ''}`;
}

function shellCommand(text: string): readonly string[] {
  return ['sh', '-c', text];
}

function argvOf(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  return value.map((word) => `${word ?? ''}`);
}
