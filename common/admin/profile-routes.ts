// The administrator's profiles, under the paths and with the limits of ztunnel's (ztunnel.md §12): CPU for some seconds, and
// the heap once it is sampled. In: who takes them. Out: routes.
import type { HttpRequest, HttpResponse, Route } from './http-route.ts';
import type { Profiler } from './profiler-process.ts';

export function profileRoutes(profiler: Profiler): readonly Route[] {
  return [
    { method: 'any', path: '/debug/pprof/profile', handle: (request) => takeCpu(profiler, request) },
    { method: 'any', path: '/debug/pprof/heap', handle: () => takeHeap(profiler) },
    { method: 'any', path: '/debug/pprof/heap/profiling', handle: (request) => switchHeap(profiler, request) },
  ];
}

async function takeCpu(profiler: Profiler, { query }: HttpRequest): Promise<HttpResponse> {
  const seconds = readWhole(query.get('seconds') ?? '10', 300);
  if (seconds === undefined) return refuse('invalid seconds value; expected 1-300');
  const frequency = readWhole(query.get('frequency') ?? '100', 1_000);
  if (frequency === undefined) return refuse('invalid frequency value; expected 1-1000');
  const profile = await profiler.cpu({ seconds, frequency });
  if (profile === undefined) return { status: 500, body: 'a CPU profile is being taken; try again when it is done\n' };
  return file(profile);
}

async function takeHeap(profiler: Profiler): Promise<HttpResponse> {
  const profile = await profiler.heap();
  if (profile !== undefined) return file(profile);
  const remedy = 'activate with /debug/pprof/heap/profiling?activate=true';
  return { status: 500, body: `heap profiling not active; ${remedy}\n` };
}

async function switchHeap(profiler: Profiler, { query }: HttpRequest): Promise<HttpResponse> {
  const activate = query.get('activate');
  if (activate !== 'true' && activate !== 'false') return refuse('expected ?activate=true or ?activate=false');
  await profiler.sampleHeap(activate === 'true' ? 'on' : 'off');
  return { status: 200, body: `heap profiling ${activate === 'true' ? 'activated' : 'deactivated'}\n` };
}

function readWhole(text: string, max: number): number | undefined {
  const value = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= max ? value : undefined;
}

function refuse(reason: string): HttpResponse {
  return { status: 400, body: `${reason}\n` };
}

function file(profile: Uint8Array): HttpResponse {
  return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: profile };
}
