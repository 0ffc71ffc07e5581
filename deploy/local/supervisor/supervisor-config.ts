// What the launcher tells the supervisor, as one JSON file in the run folder. Both sides are ours and of one version, so
// reading it checks only that it is such a file.
import { fieldsOf, textOf } from '../materialize/kubernetes-object.ts';
import { parseJson } from '../run-folder.ts';

export interface SupervisorConfig {
  readonly mesh: string;
  readonly version: string;
  readonly runFolder: string;
  /** Absolute paths of files and folders. */
  readonly manifests: readonly string[];
  readonly run: readonly string[];
  /** Commands of `--run` run here. */
  readonly workFolder: string;
  readonly mode: 'captured' | 'explicit';
  readonly modeReason: string;
  readonly modeRemedy: string;
  readonly gateUrl: string;
}

export const configFile = 'config.json';
/** Descriptors that the launcher hands in. */
export const gateDescriptor = 3;
export const lifelineDescriptor = 4;

export function parseSupervisorConfig(text: string): SupervisorConfig | undefined {
  const value = parseJson(text);
  return isConfig(value) ? value : undefined;
}

function isConfig(value: unknown): value is SupervisorConfig {
  const fields = fieldsOf(value);
  const texts = ['mesh', 'version', 'runFolder', 'workFolder', 'mode', 'gateUrl'];
  return texts.every((name) => textOf(fields[name]) !== undefined) && Array.isArray(fields['manifests']);
}

/** What the supervisor tells the launcher, one JSON text a line. */
export type SupervisorEvent =
  | { readonly kind: 'ready' }
  | { readonly kind: 'report'; readonly level: 'info' | 'warn'; readonly text: string }
  | { readonly kind: 'fatal'; readonly cause: 'configuration' | 'failure'; readonly text: string };

export function parseSupervisorEvent(line: string): SupervisorEvent | undefined {
  const fields = fieldsOf(parseJson(line));
  const text = textOf(fields['text']) ?? '';
  if (fields['kind'] === 'ready') return { kind: 'ready' };
  if (fields['kind'] === 'report') return { kind: 'report', level: fields['level'] === 'warn' ? 'warn' : 'info', text };
  if (fields['kind'] === 'fatal') {
    return { kind: 'fatal', cause: fields['cause'] === 'configuration' ? 'configuration' : 'failure', text };
  }
  return undefined;
}
