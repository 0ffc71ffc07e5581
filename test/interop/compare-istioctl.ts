// What `istioctl ztunnel-config -f` makes of both dumps: the same tables and values of the mesh, and of each pod's
// certificate and connections the same rows with the names of the other.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { KubernetesLab } from './kubernetes-lab.ts';
import { mirrorText } from './mirror.ts';

/** @param dumps theirs, then ours */
export async function compareIstioctl(
  t: Test,
  cluster: KubernetesLab,
  dumps: readonly [string, string],
): Promise<void> {
  const files = dumps.map((text, index) => {
    const file = join(cluster.folder, `dump-${index}.json`);
    writeFileSync(file, text);
    return file;
  });
  const print = (part: string, format: string): readonly string[] =>
    files.map((file) => cluster.lab('istioctl', 'ztunnel-config', part, '-f', file, '-o', format));

  for (const part of ['workload', 'service', 'policy']) {
    for (const format of ['short', 'json', 'yaml']) {
      await t.test(`prints each ${part} as ${format} alike`, async (t) => {
        const [their, our] = print(part, format);
        t.equal(our, their);
        t.match(our, /theirs/);
      });
    }
  }
  for (const part of ['certificate', 'connections']) {
    for (const format of ['short', 'json', 'yaml']) {
      await t.test(`prints the ${part} as ${format} alike`, async (t) => {
        const [their = '', our = ''] = print(part, format);
        t.strictSame(rowsOf(our), rowsOf(mirrorText(their)));
        t.match(our, /our/);
      });
    }
  }
  await t.test('prints all of it alike', async (t) => {
    const [their, our] = print('all', 'short').map((text) => text.trim().split(/\n\s*\n/));
    const isOfMesh = (table: string): boolean => table.startsWith('NAMESPACE');
    t.strictSame(our?.filter(isOfMesh), their?.filter(isOfMesh), 'the tables of the mesh');
    const ofPod = (tables: readonly string[] = []) => tables.filter((table) => !isOfMesh(table));
    t.strictSame(ofPod(our).map(rowsOf), ofPod(their).map(mirrorText).map(rowsOf), 'the tables of the pod');
    t.equal(our?.length, 5);
  });
}

/** In any order; without what is another for each certificate and each client. */
function rowsOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map((row) =>
      row
        .replace(/\b[0-9a-f]{28,}\b|\d{4}-\d\d-\d\dT[\d:]+Z/g, 'any')
        .replace(/\b\d{20,}\b|[A-Za-z0-9+/=]{200,}/g, 'any')
        .replace(/:(3[2-9]|[4-6]\d)\d{3}\b/g, ':any')
        .replace(/,$/, '')
        .trim()
        .replace(/\s+/g, ' '),
    )
    .sort();
}
