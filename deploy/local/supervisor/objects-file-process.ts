// Small files of the run folder: objects.json replaced whole (readers never see half of one), hosts files changed in
// place (they are mounted into pods), secrets only for us.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KubernetesObject } from '../materialize/kubernetes-object.ts';

export function replaceObjectsFile(path: string, objects: readonly KubernetesObject[]): void {
  const text = `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }, null, 1)}\n`;
  writeFileSync(`${path}.next`, text, { mode: 0o600 });
  renameSync(`${path}.next`, path);
}

export interface HostsFiles {
  /** Makes the file where it is not there yet. */
  pathFor(namespace: string): string;
  update(textFor: (namespace: string) => string): void;
}

export function createHostsFiles(folder: string): HostsFiles {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const texts = new Map<string, string>();
  let textFor = (_namespace: string) => '127.0.0.1 localhost\n';
  const write = (namespace: string) => {
    const text = textFor(namespace);
    if (texts.get(namespace) === text) return;
    texts.set(namespace, text);
    writeFileSync(join(folder, namespace), text, { mode: 0o644 });
  };
  return {
    pathFor(namespace) {
      write(namespace);
      return join(folder, namespace);
    },
    update(next) {
      textFor = next;
      for (const namespace of [...texts.keys()]) write(namespace);
    },
  };
}

export function writeSecret(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

export function makeFolder(folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}
