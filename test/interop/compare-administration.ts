// The pages of the administration besides the dump: the same requests to both, the same statuses, and the same answers
// where both know what is asked for.
import type { Test } from 'tap';
import type { IstiodMesh } from './istiod-mesh.ts';

/** In this order, for each changes the levels for the next. */
const requests = [
  'GET /logging',
  'PUT /logging',
  'POST /logging',
  'POST /logging?level=debug',
  'POST /logging?level=xds=trace,warn',
  'POST /logging?level=',
  'POST /logging?level=loud',
  'POST /logging?level=xds=loud',
  'POST /logging?level=xds',
  'POST /logging?level=info&reset',
  'POST /logging?reset',
  'GET /quitquitquit',
  'PUT /config_dump',
  'HEAD /config_dump',
  'GET /debug/pprof/profile?seconds=1',
  'GET /debug/pprof/profile?seconds=301',
  'GET /debug/pprof/heap',
  'GET /',
  'GET /nothing',
  'GET /stats',
] as const;

export async function compareAdministration(t: Test, { theirs, ours }: IstiodMesh): Promise<void> {
  for (const request of requests) {
    await t.test(request, async (t) => {
      const [method, path = ''] = request.split(' ');
      const [their, our] = [await theirs.proxy.admin(path, method), await ours.proxy.admin(path, method)];
      t.equal(our.status, their.status);
      if (path.startsWith('/logging') && their.status !== 405) t.equal(firstLine(our.body), firstLine(their.body));
    });
  }
  await t.test("istioctl's own words for a level, which only ours takes", async (t) => {
    const path = '/logging?level=xds:warning';
    t.equal((await theirs.proxy.admin(path, 'POST')).status, 400);
    t.match(await ours.proxy.admin(path, 'POST'), { status: 200, body: /xds=warn/ });
    await ours.proxy.admin('/logging?reset', 'POST');
  });
}

/** Without the level of a library that ours has not. */
function firstLine(body: string): string | undefined {
  return body.replace('hickory_server::server=off,', '').split('\n')[0];
}
