// The text of one manifest file → Kubernetes objects and problems: YAML with several documents, JSON, and lists of objects.
// Pure. A document that is broken is named by file, line and, where it can be told, object; the others are still read.
// Size, aliases and nesting of lists are bounded.
import { type Document, isMap, LineCounter, parseAllDocuments } from 'yaml';
import { Field, MalformedField, show } from '../field.ts';
import { type KubernetesObject, type ObjectOrigin, parseKubernetesObject } from '../kubernetes-object.ts';
import type { ResourceProblem } from '../resource-problem.ts';

export interface ParsedManifest {
  readonly objects: readonly KubernetesObject[];
  readonly problems: readonly ResourceProblem[];
  /** broken: something in the file could not be read at all. */
  readonly state: 'whole' | 'broken';
}

export const maxManifestBytes = 32 * 1024 * 1024;
const maxAliases = 100;
const maxListDepth = 4;

interface ParsedValue {
  readonly value: unknown;
  readonly line: number | undefined;
}

/** @param file the name under which problems are reported; `.json` is read as JSON, anything else as YAML */
export function parseManifest(text: string, file: string): ParsedManifest {
  const problems: ResourceProblem[] = [];
  const objects: KubernetesObject[] = [];
  if (Buffer.byteLength(text) > maxManifestBytes) {
    return { objects, problems: [tooLarge(file)], state: 'broken' };
  }
  for (const { value, line } of readValues(text, file, problems)) {
    collect(value, { file, line }, 0, objects, problems);
  }
  return { objects, problems, state: problems.some(({ severity }) => severity === 'error') ? 'broken' : 'whole' };
}

function readValues(text: string, file: string, problems: ResourceProblem[]): readonly ParsedValue[] {
  try {
    return file.endsWith('.json') ? [{ value: JSON.parse(text), line: undefined }] : readYaml(text, file, problems);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const line = lineFromMessage(message, text);
    problems.push(syntaxProblem(file, line, undefined, message));
    return [];
  }
}

function readYaml(text: string, file: string, problems: ResourceProblem[]): readonly ParsedValue[] {
  const lineCounter = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter, merge: true, prettyErrors: false, logLevel: 'silent' });
  const documents: readonly Document[] = Array.isArray(parsed) ? parsed : [];
  return documents.flatMap((document, index) => {
    const line = lineCounter.linePos(document.contents?.range?.[0] ?? 0).line;
    const [error] = document.errors;
    if (error !== undefined) {
      const where = lineCounter.linePos(error.pos[0]).line;
      problems.push(syntaxProblem(file, where, index + 1, error.message, describePartly(document)));
      return [];
    }
    try {
      const value: unknown = document.toJS({ maxAliasCount: maxAliases });
      return value === null ? [] : [{ value, line }];
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      problems.push(syntaxProblem(file, line, index + 1, message, describePartly(document)));
      return [];
    }
  });
}

/** The object a broken document is about, as far as it was understood before the error. */
function describePartly(document: Document): string | undefined {
  if (!isMap(document.contents)) return undefined;
  const texts = [['kind'], ['metadata', 'namespace'], ['metadata', 'name']].map((path) => document.getIn(path));
  const [kind, namespace, name] = texts.map((text) => (typeof text === 'string' ? text : undefined));
  if (kind === undefined) return undefined;
  return name === undefined ? kind : `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

/** Adds the object, or those of a list. */
function collect(
  value: unknown,
  origin: ObjectOrigin,
  depth: number,
  objects: KubernetesObject[],
  problems: ResourceProblem[],
): void {
  const place = { file: origin.file, line: origin.line };
  try {
    const root = new Field('', value);
    if (root.at('apiVersion').isAbsent && root.at('kind').isAbsent) {
      const message = 'is no Kubernetes object (it has neither apiVersion nor kind)';
      problems.push({ ...place, severity: 'note', message, remedy: 'it is not used' });
      return;
    }
    const kind = root.at('kind').requiredText();
    if (!kind.endsWith('List') || !Array.isArray(root.record()['items'])) {
      objects.push(parseKubernetesObject(value, origin));
      return;
    }
    if (depth === maxListDepth) throw root.at('items').malformed('a list of objects', 'nest lists less deeply');
    const itemKind = kind.slice(0, -'List'.length);
    const inherited = itemKind === '' ? {} : { apiVersion: root.at('apiVersion').value, kind: itemKind };
    for (const item of root.at('items').items()) {
      collect({ ...inherited, ...item.record() }, origin, depth + 1, objects, problems);
    }
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    const { path: field, message, remedy } = error;
    problems.push({ ...place, severity: 'error', object: describeValue(value), field, message, remedy });
  }
}

function describeValue(value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return show(value);
  const { kind, metadata } = value as { kind?: unknown; metadata?: { name?: unknown; namespace?: unknown } | null };
  const parts = [metadata?.namespace, metadata?.name].filter((part) => typeof part === 'string');
  return [typeof kind === 'string' ? kind : 'object', parts.join('/')].filter((part) => part !== '').join(' ');
}

function syntaxProblem(
  file: string,
  line: number | undefined,
  document: number | undefined,
  message: string,
  object?: string,
): ResourceProblem {
  const which = document === undefined ? '' : `document ${document}: `;
  const remedy = 'mend the text; until then its last good state, if there was one, keeps serving';
  return { severity: 'error', file, line, object, message: `${which}${message.split('\n', 1)[0]}`, remedy };
}

function tooLarge(file: string): ResourceProblem {
  const limit = `${maxManifestBytes / 1024 / 1024} MiB`;
  return { severity: 'error', file, message: `is larger than ${limit}`, remedy: 'split it into several files' };
}

/** V8 says `at position 12 (line 2 column 3)`. */
function lineFromMessage(message: string, text: string): number | undefined {
  const line = /\(line (\d+) column \d+\)/.exec(message)?.[1];
  if (line !== undefined) return Number(line);
  return /end of JSON input/i.test(message) ? text.split('\n').length : undefined;
}
