// What `--help` prints, per command: topic in, text out.

const overview = `ambientd: an ambient service mesh, here on one machine

Usage: ambientd COMMAND [options]

  up FILE|DIR…                 bring Kubernetes manifests up as a mesh, until Ctrl-C
  demo [--once]                bring deploy/examples/podinfo up, drive traffic, show its metrics (npm start)
  exec NAMESPACE/POD -- CMD…   run a command as that pod
  status [--json]              pods with addresses and identities, waypoints, URLs of metrics
  down                         end the mesh
  derive FILE|DIR… [--json]    print what the mesh makes of Kubernetes objects: workloads, services, policies
  ztunnel, waypoint            the two daemons, as a cluster runs them (configured by the environment)
  controller                   the mesh's own CA, in a cluster without istiod
  version [--json]

Every command has --help. Exit codes: 0 done, 1 failed, 64 bad usage or configuration.
`;

const meshOptions = `  --name NAME        name of this mesh (a-z, 0-9, -), to run several at once
  --port N           port of the gate on 127.0.0.1: overview, /status.json, /sd, /metrics/… (default 15900 or the next free)
  --no-capture       no network namespaces even where they work: pods are loopback addresses and reach the mesh
                     through an explicit SOCKS5 and HTTP proxy entry
`;

const nameOption = '  --name NAME        which mesh, when several run\n';

/** Of both daemons. */
const sharedSettings = `  AMBIENTD_METRIC_SERIES_LIMIT      series of one metric (20000)
  AMBIENTD_METRIC_IDLE_EXPIRY       after which a series that nobody uses leaves; 0: it stays (15m)
  AMBIENTD_FAILURE_LINES            log lines a second for failures of one kind, the others in a summary; 0: all (100)
  AMBIENTD_POOL_MAX_BUSY_TUNNELS    tunnels to one peer while bulk keeps new connections waiting in each; 1: no more for that (4)
  AMBIENTD_STATS_PORT, AMBIENTD_READINESS_PORT
                                    15020 and 15021
`;

const topics: Record<string, string> = {
  up: `Usage: ambientd up FILE|DIR… [options]

Brings the Kubernetes manifests (YAML or JSON; several files and folders are one mesh) up on this machine, without root:
a network namespace a pod, ztunnel, one waypoint a Gateway of class istio-waypoint. Edits take effect while it runs.
Containers have no images here: a file ambientd.yaml beside the manifests maps an image to a command, an unmapped
container gets a built-in echo on its ports. Runs until Ctrl-C or \`ambientd down\`.

  --run IMAGE=COMMAND  command for an image (may be repeated; wins over ambientd.yaml)
${meshOptions}
ambientd.yaml:
  run:
    "nginx:1.27": ["nginx", "-g", "daemon off;"]
    "myapp": "python3 -m http.server --bind $(POD_IP) 8080"
  env:
    LOG_LEVEL: debug
`,
  demo: `Usage: ambientd demo [--once] [options]

Brings deploy/examples/podinfo up, drives traffic and shows the mesh's own metrics in place, until Ctrl-C.

  --once             a few seconds only, checks itself, exits 0 or 1
${meshOptions}`,
  exec: `Usage: ambientd exec NAMESPACE/POD [--name NAME] -- COMMAND…

Runs a command as that pod: its network, its names, its identity in the mesh. POD is a pod's name, or the name of a
Deployment (or its kin) for its first pod. Input, output and exit code are the command's.

${nameOption}`,
  status: `Usage: ambientd status [--json] [--name NAME]

Lists pods (namespace, name, address, identity, enrolled), waypoints, and the URLs of metrics and admin.

${nameOption}`,
  down: `Usage: ambientd down [--name NAME]

Ends the mesh: its processes, network namespaces and files. Done when it returns.

${nameOption}`,
  derive: `Usage: ambientd derive FILE|DIR… [--json]

Prints the workloads, services and policies that the mesh makes of Kubernetes objects (manifests, or what
\`kubectl get -A -o yaml\` gives), as istiod would send them: WDS resources as JSON. Problems go to standard error,
one line each; exit code 1 where an object could not be read.

  --json             in one line
`,
  ztunnel: `Usage: ambientd ztunnel

Runs the node proxy. All configuration comes from the environment, as for Istio's ztunnel; and beside that:

  AMBIENTD_MANIFESTS                a file or folder of Kubernetes objects to know the mesh from, instead of istiod
  AMBIENTD_SOURCE=kubernetes        or from the Kubernetes API (KUBECONFIG; default: the service account of the pod)
${sharedSettings}  AMBIENTD_ADMIN_PORT               15000, on loopback
  ZTUNNEL_WORKER_THREADS            threads that carry connections: a number, 0 (one for each processor) or 50% (1)
`,
  waypoint: `Usage: ambientd waypoint

Runs one waypoint. All configuration comes from the environment, as Istio sets it for its own:

  GATEWAY_NAME, POD_NAMESPACE       the Gateway that it serves
  AMBIENTD_MANIFESTS                a file or folder of Kubernetes objects to know the mesh from, instead of istiod
  AMBIENTD_SOURCE=kubernetes        or from the Kubernetes API (KUBECONFIG; default: the service account of the pod)
  AMBIENTD_ROOT_NAMESPACE           whose Telemetry holds for the whole mesh (istio-system)
  ACCESS_LOG                        true: one line a request where no Telemetry says otherwise (false)
${sharedSettings}  AMBIENTD_HBONE_PORT, AMBIENTD_PROMETHEUS_PORT
                                    15008 and 15090
`,
  controller: `Usage: ambientd controller

Runs the mesh's own CA in a cluster without istiod: its root in a Secret, the trust bundle istio-ca-root-cert in each
namespace, and Istio's CreateCertificate on port 15012. Gives waypoints their addresses, and objects their status. Any number of replicas may run. Rights it needs:
deploy/cluster/controller-rbac.yaml. A new root on demand: kubectl -n istio-system annotate secret ambientd-ca
ambientd/rotate-root=now. All configuration comes from the environment:

  KUBECONFIG                        a file; default: the service account of the pod
  POD_NAMESPACE                     of the Secret (istio-system)
  AMBIENTD_CA_SECRET                its name (ambientd-ca); one with tls.crt and tls.key is taken as the root
  AMBIENTD_CA_LISTEN                address and port (0.0.0.0:15012)
  AMBIENTD_CA_NAMES                 host names of the server's certificate, by commas (istiod.<namespace>.svc …)
  TRUST_DOMAIN, CLUSTER_DOMAIN      both cluster.local
  TOKEN_AUDIENCES                   istio-ca
  CA_TRUSTED_NODE_ACCOUNTS          who may ask for the pods of its node (istio-system/ztunnel)
  MAX_WORKLOAD_CERT_TTL             24h
  CITADEL_SELF_SIGNED_CA_CERT_TTL   of a root (87600h)
  CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE
                                    the last part of its life, in which the next one takes over (20)
  AMBIENTD_CA_SPREAD                what a bundle may need to reach everyone (10m)
  AMBIENTD_SYNC_INTERVAL            60s
  AMBIENT_ENABLE_STATUS             whether objects are told in their status of waypoints and policies (true)
  CONNECTION_TERMINATION_DEADLINE   5s
  AMBIENTD_STATS_PORT, AMBIENTD_READINESS_PORT
                                    15020 and 15021
  RUST_LOG, LOG_FORMAT              info, plain
`,
  version: 'Usage: ambientd version [--json]\n',
};

export function usageOf(topic: string | undefined): string {
  return (topic === undefined ? undefined : topics[topic]) ?? overview;
}
