// A strict collector of OTLP logs for tests: a real gRPC server that reads each request by the published schema and refuses one that does not
// fit. A test may change what it answers, and may stop and start it on the same port.
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import type { Test } from 'tap';
import { type ReadExport, type ReadRecord, readExportRequest } from './otlp-messages.ts';

export interface OtlpCollector {
  readonly port: number;
  /** What was read so far, also what was answered with a failure. */
  readonly exports: readonly ReadExport[];
  /** Waits until so many records have been accepted. */
  records(count: number): Promise<readonly ReadRecord[]>;
  /** Of the calls from now on; undefined: accepted. */
  answer(code: status | undefined): void;
  stop(): void;
}

const path = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';
const asIs = (bytes: Buffer): Buffer => bytes;

/** @param port 0: one that is free */
export async function startOtlpCollector(t: Pick<Test, 'teardown'>, ip: string, port = 0): Promise<OtlpCollector> {
  const exports: ReadExport[] = [];
  const accepted: ReadRecord[] = [];
  let failure: status | undefined;
  const server = new Server();
  server.addService(
    {
      Export: {
        path,
        requestStream: false,
        responseStream: false,
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      },
    },
    {
      Export(call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void {
        try {
          const read = readExportRequest(call.request);
          exports.push(read);
          if (failure === undefined) accepted.push(...read.records);
          answer(failure === undefined ? null : { code: failure, details: 'as the test wants it' }, Buffer.alloc(0));
        } catch (error) {
          answer({ code: status.INVALID_ARGUMENT, details: String(error) });
        }
      },
    },
  );
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${ip}:${port}`, ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    );
  });
  t.teardown(() => server.forceShutdown());
  return {
    port: bound,
    exports,
    async records(count) {
      while (accepted.length < count) await new Promise((resolve) => setTimeout(resolve, 10));
      return accepted;
    },
    answer(code) {
      failure = code;
    },
    stop: () => server.forceShutdown(),
  };
}
