// A real Prometheus that scrapes a local mesh every second, found by the address that the mesh offers; it ends with the test. In: a mesh. Out:
// questions to its HTTP API.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { eventually, fetchText, freePort, type LocalMesh } from './local-mesh.ts';

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface PrometheusServer {
  /** GET of its API: `targets`, `query?query=…`. */
  ask<T>(path: string): Promise<T>;
  query(expression: string): Promise<readonly Series[]>;
}

interface Vector {
  readonly data: {
    readonly result: readonly { readonly metric: Record<string, string>; readonly value: [number, string] }[];
  };
}

/** The reason to skip, in words. */
export function whyNoPrometheus(): string | undefined {
  const missing = ['prometheus', 'promtool'].find((program) => spawnSync(program, ['--version']).error !== undefined);
  return missing && `the program ${missing} is missing; on Debian: apt install prometheus`;
}

export async function startPrometheus(t: Pick<Test, 'teardown'>, mesh: LocalMesh): Promise<PrometheusServer> {
  const folder = join(mesh.around.path, 'prometheus');
  mkdirSync(folder);
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s' },
    scrape_configs: [
      { job_name: 'ambientd', http_sd_configs: [{ url: (await mesh.status()).prometheusUrl, refresh_interval: '1s' }] },
    ],
  };
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const address = `127.0.0.1:${await freePort()}`;
  const program = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      '--log.level=warn',
    ],
    { stdio: 'inherit', timeout: 180_000, killSignal: 'SIGKILL' },
  );
  const ended = once(program, 'exit');
  t.teardown(async () => {
    program.kill('SIGTERM');
    await ended;
  });
  await eventually(
    () => fetchText(`http://${address}/-/ready`).catch(() => ''),
    (answer) => answer !== '',
  );
  const ask = async <T>(path: string): Promise<T> => JSON.parse(await fetchText(`http://${address}/api/v1/${path}`));
  return {
    ask,
    async query(expression) {
      const { data } = await ask<Vector>(`query?query=${encodeURIComponent(expression)}`);
      return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
  };
}
