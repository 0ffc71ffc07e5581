// The administrator's profiles: of this very process, read back field by field.
import protobuf from 'protobufjs';
import t from 'tap';
import { findRoute, type HttpResponse } from '../../../common/admin/http-route.ts';
import { profileRoutes } from '../../../common/admin/profile-routes.ts';
import { createProfiler } from '../../../common/admin/profiler-process.ts';

const routes = profileRoutes(createProfiler());
// A profile keeps no process alive; in a daemon its server does.
const alive = setInterval(() => {}, 1_000);
t.teardown(() => clearInterval(alive));

/** The part of profile.proto that is looked at. */
const Profile = protobuf
  .parse(`syntax = "proto3";
  message ValueType { int64 type = 1; int64 unit = 2; }
  message Sample { repeated uint64 location_id = 1; repeated int64 value = 2; }
  message Line { uint64 function_id = 1; int64 line = 2; }
  message Location { uint64 id = 1; repeated Line line = 4; }
  message Function { uint64 id = 1; int64 name = 2; int64 system_name = 3; int64 filename = 4; }
  message Profile {
    repeated ValueType sample_type = 1; repeated Sample sample = 2; repeated Location location = 4;
    repeated Function function = 5; repeated string string_table = 6; int64 time_nanos = 9;
    int64 duration_nanos = 10; ValueType period_type = 11; int64 period = 12;
  }`)
  .root.lookupType('Profile');

interface ReadProfile {
  readonly sampleType: readonly { readonly type: string; readonly unit: string }[];
  readonly sample: readonly { readonly locationId: readonly string[]; readonly value: readonly string[] }[];
  readonly location: readonly { readonly id: string; readonly line: readonly { readonly functionId: string }[] }[];
  readonly function: readonly { readonly id: string; readonly name: string; readonly filename: string }[];
  readonly stringTable: readonly string[];
  readonly period: string;
}

t.test('a CPU profile names the functions that were busy, and their callers', async (t) => {
  const asked = ask('/debug/pprof/profile?seconds=1&frequency=1000');
  // What is compiled before the profiler has begun may be inlined without a trace.
  await new Promise((resolve) => setTimeout(resolve, 150));
  const until = performance.now() + 700;
  while (performance.now() < until) {
    beBusy();
    await new Promise(setImmediate);
  }
  const profile = read(await asked);
  t.same(kindsOf(profile), ['samples/count', 'cpu/nanoseconds']);
  t.equal(profile.period, '1000000');
  const stack = stacksOf(profile).find((frames) => frames[0] === 'beBusy' || frames[1] === 'beBusy');
  t.ok(stack, 'beBusy was seen');
  t.ok(profile.sample.every(({ value }) => value.length === 2 && Number(value[0]) >= 1));
});

t.test('a second CPU profile waits for nobody', async (t) => {
  const first = ask('/debug/pprof/profile?seconds=1');
  t.match(await ask('/debug/pprof/profile?seconds=1'), { status: 500, body: /try again/ });
  t.equal((await first).status, 200);
});

for (const query of ['seconds=0', 'seconds=301', 'seconds=x', 'seconds=', 'frequency=0', 'frequency=1001']) {
  t.test(`${query} is refused`, async (t) => {
    t.match(await ask(`/debug/pprof/profile?${query}`), {
      status: 400,
      body: /^invalid (seconds|frequency) value; expected 1-/,
    });
  });
}

t.test('the heap is shown once it is sampled, until it is sampled no more', async (t) => {
  t.match(await ask('/debug/pprof/heap'), { status: 500, body: /not active/ });
  t.equal((await ask('/debug/pprof/heap/profiling?activate=true')).status, 200);
  const held = holdMuch();
  const profile = read(await ask('/debug/pprof/heap'));
  t.same(kindsOf(profile), ['inuse_space/bytes']);
  t.ok(
    stacksOf(profile).some((frames) => frames.includes('holdMuch')),
    `${held.length} objects live`,
  );
  t.equal((await ask('/debug/pprof/heap/profiling?activate=false')).status, 200);
  t.match(await ask('/debug/pprof/heap'), { status: 500 });
  t.match(await ask('/debug/pprof/heap/profiling'), { status: 400 });
});

function beBusy(): number {
  let sum = 0;
  for (let number = 0; number < 2_000_000; number += 1) sum += Math.sqrt(number);
  return sum;
}

function holdMuch(): readonly object[] {
  return Array.from({ length: 200_000 }, (_, number) => ({ number, text: `number ${number}` }));
}

async function ask(target: string): Promise<HttpResponse> {
  const { pathname: path, searchParams: query } = new URL(target, 'http://localhost');
  const match = findRoute(routes, 'GET', path);
  if (match.kind !== 'found') throw new Error(`no route ${path}`);
  return await match.route.handle({ method: 'GET', path, query, headers: {} });
}

function read({ status, body }: HttpResponse): ReadProfile {
  if (status !== 200 || !(body instanceof Uint8Array)) throw new Error(`${status} ${String(body)}`);
  return Profile.toObject(Profile.decode(body), { longs: String, arrays: true, defaults: true }) as ReadProfile;
}

function kindsOf({ sampleType, stringTable }: ReadProfile): readonly string[] {
  return sampleType.map(({ type, unit }) => `${stringTable[Number(type)]}/${stringTable[Number(unit)]}`);
}

function stacksOf(profile: ReadProfile): readonly (readonly string[])[] {
  const functions = new Map(profile.function.map(({ id, name }) => [id, profile.stringTable[Number(name)] ?? '']));
  const locations = new Map(
    profile.location.map(({ id, line }) => [id, functions.get(line[0]?.functionId ?? '') ?? '']),
  );
  return profile.sample.map(({ locationId }) => locationId.map((id) => locations.get(id) ?? ''));
}
