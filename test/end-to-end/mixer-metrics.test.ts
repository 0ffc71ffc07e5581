// The manifest of Istio's old guide to TCP metrics, unchanged, in a folder with a MongoDB's pods: its two metrics appear at ztunnel's endpoint, with
// the bytes that the client sent and got.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { eventually, samplesWith, sharedManifests, startLocalMesh, whyNoCapture } from '../support/local-mesh.ts';

t.setTimeout(120_000);

const manifest = join(sharedManifests, 'mixer-tcp-metrics.yaml');
const skip = existsSync(manifest) ? await whyNoCapture() : `the manifest ${manifest} is not there`;

const pod = (name: string, app: string, version: string, image: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: default }
spec:
  selector: { matchLabels: { app: ${app}, version: ${version} } }
  template:
    metadata: { labels: { app: ${app}, version: ${version} } }
    spec: { containers: [{ name: main, image: ${image}, ports: [{ containerPort: 8080 }] }] }
---`;

const mesh = `
apiVersion: v1
kind: Namespace
metadata: { name: default, labels: { istio.io/dataplane-mode: ambient } }
---
${pod('ratings-v2', 'ratings', 'v2', 'client')}
${pod('mongodb-v1', 'mongodb', 'v1', 'echo')}
apiVersion: v1
kind: Service
metadata: { name: mongodb, namespace: default }
spec: { selector: { app: mongodb }, ports: [{ name: mongo, port: 27017, targetPort: 8080 }] }
`;

t.test('the mesh counts a database’s bytes as Mixer’s manifest defines them', { skip }, async (t) => {
  const files = { 'mesh.yaml': mesh, 'mixer.yaml': readFileSync(manifest, 'utf8') };
  const bookinfo = await startLocalMesh(t, { name: 'mixer', files });
  const ratings = await bookinfo.pod('default', 'ratings-v2');
  const answer = await bookinfo.exec(`default/${ratings.name}`, 'curl', '-s', 'http://mongodb:27017/');
  t.equal(answer.code, 0);
  const labels = { source_service: 'ratings-v2', source_version: 'v2', destination_version: 'v1' };
  const closed = { reporter: 'destination', destination_workload: 'mongodb-v1' };
  const samples = await eventually(
    () => bookinfo.samples('ztunnel'),
    (all) => samplesWith(all, 'istio_tcp_connections_closed_total', closed).length > 0,
  );
  for (const direction of ['sent', 'received']) {
    const [mongo] = samplesWith(samples, `istio_mongo_${direction}_bytes`, labels);
    const [standard] = samplesWith(samples, `istio_tcp_${direction}_bytes_total`, closed);
    t.ok((mongo?.value ?? 0) > 50, `${direction}: ${mongo?.value} bytes`);
    t.equal(mongo?.value, standard?.value, 'as the standard metric says');
  }
});
