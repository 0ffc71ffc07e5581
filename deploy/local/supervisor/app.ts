// The supervisor: plays Kubernetes, kubelet and CNI agent for one mesh. Configuration in; a mesh that follows its
// manifests out, until `close`. Read `start` for the order in which things come up; what people should know is told.
import { join } from 'node:path';
import { MeshError } from '../../../common/errors.ts';
import type { Runnable } from '../../../common/lifecycle.ts';
import type { Logger } from '../../../common/log.ts';
import { parseIp } from '../../../common/net/address.ts';
import type { KubernetesObject } from '../../../common/sources/kubernetes-object.ts';
import { createManifestsReader } from '../../../common/sources/manifests/manifests-reader.ts';
import { formatResourceProblem, type ResourceProblem } from '../../../common/sources/resource-problem.ts';
import { type Cluster, type ClusterSettings, emptyClusterAllocation, materialize } from '../materialize/materialize.ts';
import { serviceTargets } from '../materialize/service-endpoints.ts';
import { type CheckedManifests, checkManifests } from './check-manifests.ts';
import { caPort, capturedSettings, clusterDomain, nodeName } from './cluster-settings.ts';
import { readImageCommands } from './commands-file-process.ts';
import { clusterPorts, type DaemonFacts, type ZtunnelPorts, ztunnelEnv } from './daemon-env.ts';
import { findFreePorts, findLoopbackSettings } from './free-ports-server.ts';
import { startGate } from './gate-server.ts';
import { hostsFileOf } from './hosts-file.ts';
import type { ImageCommands } from './image-commands.ts';
import { type MeshCertificates, startMeshCertificates } from './mesh-certificates.ts';
import { applyServiceRules, prepareMeshNetwork } from './mesh-network-process.ts';
import { type NodeProxy, startNodeProxy } from './node-proxy.ts';
import {
  createHostsFiles,
  type HostsFiles,
  makeFolder,
  replaceObjectsFile,
  writeSecret,
} from './objects-file-process.ts';
import { PodFleet } from './pod-fleet.ts';
import { podSurroundings } from './pod-surroundings.ts';
import { statusOf } from './status-of.ts';
import { gateDescriptor, type SupervisorConfig } from './supervisor-config.ts';
import { startZtunnel, type ZtunnelDaemon } from './ztunnel-daemon.ts';

export interface SupervisorOptions {
  readonly config: SupervisorConfig;
  /** Path of Node, for the daemons. */
  readonly node: string;
  readonly log: Logger;
  tell(level: 'info' | 'warn', text: string): void;
}

/** Changes of pods come in bursts; one look at all of them is enough. */
const settleMs = 30;
const daemonGraceMs = 1_500;

export class Supervisor {
  readonly #options: SupervisorOptions;
  #settings: ClusterSettings = capturedSettings;
  readonly #objectsFile: string;
  readonly #hosts: HostsFiles;
  readonly #logFolder: string;
  #objects: readonly KubernetesObject[] = [];
  #readProblems: readonly ResourceProblem[] = [];
  #checked: CheckedManifests = checkManifests([], new Map());
  #commands: ImageCommands;
  #cluster: Cluster = { objects: [], pods: [], allocation: emptyClusterAllocation, problems: [] };
  #told = new Set<string>();
  #certificates: MeshCertificates | undefined;
  #nodeProxy: NodeProxy | undefined;
  #reader: Runnable | undefined;
  #fleet: PodFleet | undefined;
  #ztunnel: ZtunnelDaemon | undefined;
  #settling: NodeJS.Timeout | undefined;
  #rules = Promise.resolve();
  #life: 'running' | 'closed' = 'running';

  constructor(options: SupervisorOptions) {
    const { config } = options;
    this.#options = options;
    this.#objectsFile = join(config.runFolder, 'objects.json');
    this.#hosts = createHostsFiles(join(config.runFolder, 'hosts'));
    this.#logFolder = makeFolder(join(config.runFolder, 'logs'));
    this.#commands = readImageCommands(config.manifests, config.run, config.workFolder);
  }

  /** @throws MeshError */
  async start(): Promise<void> {
    const { config, log, node } = this.#options;
    const captured = config.mode === 'captured';
    if (captured) await prepareMeshNetwork(this.#settings.nodeIp);
    else this.#settings = await findLoopbackSettings();
    await this.#readManifests();
    const ports = captured ? clusterPorts : await freePorts();
    const certificates = await this.#startCertificates();
    this.#certificates = certificates;
    const daemons: DaemonFacts = {
      mode: config.mode,
      nodeName,
      clusterDomain,
      trustDomain: certificates.trustDomain,
      manifestsFile: this.#objectsFile,
      caAddress: certificates.caAddress,
      caRootFile: certificates.rootFile,
    };
    const zdsSocket = join(config.runFolder, 'ztunnel.sock');
    this.#nodeProxy = await startNodeProxy({
      mode: config.mode,
      socketPath: zdsSocket,
      log,
      report: this.#options.tell,
    });
    this.#fleet = this.#createFleet(daemons, certificates, this.#nodeProxy);
    this.#reconcile();
    this.#ztunnel = startZtunnel({
      node,
      env: ztunnelEnv(daemons, { zdsSocket, tokenFile: certificates.nodeTokenFile, ports }),
      ports,
      logFolder: this.#logFolder,
      report: this.#options.tell,
    });
    startGate({
      listen: { fd: gateDescriptor },
      status: () => this.status(),
      ztunnel: { host: '127.0.0.1', metricsPort: ports.metrics, adminHost: '127.0.0.1', adminPort: ports.admin },
    });
  }

  status() {
    return statusOf({
      config: this.#options.config,
      nodeName,
      trustDomain: this.#certificates?.trustDomain ?? this.#checked.trustDomain,
      pods: this.#fleet?.facts() ?? [],
      ztunnelState: this.#ztunnel?.state ?? 'starting',
      logFolder: this.#logFolder,
      problems: this.#problems().map(formatResourceProblem),
    });
  }

  async close(): Promise<void> {
    this.#life = 'closed';
    clearTimeout(this.#settling);
    await this.#reader?.close();
    await Promise.all([this.#fleet?.close(), this.#ztunnel?.stop(daemonGraceMs)]);
    await this.#nodeProxy?.close();
    await this.#certificates?.close();
  }

  /** The first reading fills `#objects` before anything else stands; later ones are followed. */
  async #readManifests(): Promise<void> {
    this.#reader = createManifestsReader({
      paths: this.#options.config.manifests,
      log: this.#options.log,
      onProblems: (problems) => {
        this.#readProblems = problems;
      },
      onObjects: (objects) => {
        this.#objects = objects;
        this.#checked = checkManifests(objects, this.#checked.lastGood);
        const { config } = this.#options;
        this.#commands = readImageCommands(config.manifests, config.run, config.workFolder);
        if (this.#fleet !== undefined) this.#settle();
      },
    });
    await this.#reader.start();
  }

  async #startCertificates(): Promise<MeshCertificates> {
    const { config, log } = this.#options;
    const ip = parseIp(this.#settings.nodeIp);
    if (ip === undefined) throw new MeshError('INTERNAL', `${this.#settings.nodeIp} is no address`);
    return startMeshCertificates({
      trustDomain: this.#checked.trustDomain,
      nodeName,
      listen: { ip, port: caPort },
      folder: config.runFolder,
      log,
    });
  }

  #createFleet(daemons: DaemonFacts, certificates: MeshCertificates, nodeProxy: NodeProxy): PodFleet {
    const { config, node, tell } = this.#options;
    // Nobody answers there: in enrolled pods ztunnel does, whatever name server is asked, but for one on loopback.
    const nameServer = `nameserver ${this.#settings.nodeIp}\noptions timeout:1 attempts:1\n`;
    const resolvConf = writeSecret(config.runFolder, 'resolv.conf', nameServer);
    return new PodFleet(
      podSurroundings({
        settings: this.#settings,
        daemons,
        certificates,
        nodeProxy,
        hosts: this.#hosts,
        resolvConf,
        logFolder: this.#logFolder,
        node,
        commands: () => this.#commands,
        report: tell,
        changed: () => this.#settle(),
      }),
    );
  }

  #settle(): void {
    if (this.#life === 'closed' || this.#settling !== undefined) return;
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
      this.#reconcile();
    }, settleMs);
  }

  /** Everything that follows from the manifests and the pods' states, in the order in which others rely on it. */
  #reconcile(): void {
    const fleet = this.#fleet;
    if (fleet === undefined || this.#life === 'closed') return;
    const cluster = materialize(this.#objects, fleet.states(), this.#cluster.allocation, this.#settings);
    this.#cluster = cluster;
    this.#tellProblems();
    const services = serviceTargets(cluster.objects);
    this.#hosts.update((namespace) => hostsFileOf(namespace, services, cluster.pods, clusterDomain));
    this.#certificates?.setPods(cluster.pods);
    replaceObjectsFile(this.#objectsFile, cluster.objects);
    if (this.#options.config.mode === 'captured') {
      this.#rules = this.#rules
        .then(() => applyServiceRules(services))
        .catch((error: unknown) => this.#options.tell('warn', `services outside the mesh: ${String(error)}`));
    }
    fleet.apply(cluster.pods);
  }

  #problems(): readonly ResourceProblem[] {
    return [...this.#readProblems, ...this.#checked.problems, ...this.#commands.problems, ...this.#cluster.problems];
  }

  /** Each problem once, and again when it has come back. */
  #tellProblems(): void {
    const now = new Map(this.#problems().map((problem) => [formatResourceProblem(problem), problem.severity]));
    for (const [text, severity] of now) {
      if (!this.#told.has(text)) this.#options.tell(severity === 'note' ? 'info' : 'warn', text);
    }
    for (const text of this.#told) if (!now.has(text)) this.#options.tell('info', `mended: ${text}`);
    this.#told = new Set(now.keys());
  }
}

async function freePorts(): Promise<ZtunnelPorts> {
  const [admin, metrics, readiness] = await findFreePorts(3, '127.0.0.1');
  return { admin: admin ?? 0, metrics: metrics ?? 0, readiness: readiness ?? 0 };
}
