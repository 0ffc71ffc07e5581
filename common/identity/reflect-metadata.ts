// The part of the Reflect metadata API that @peculiar/x509's dependency injection (tsyringe) asks for when it loads:
// it refuses to load without it, and needs no more than these three functions. Imported by `x509.ts` only.

type Metadata = Map<unknown, unknown>;
const metadataOf = new WeakMap<object, Metadata>();

function getOwnMetadata(key: unknown, target: object): unknown {
  return metadataOf.get(target)?.get(key);
}

function getMetadata(key: unknown, target: object): unknown {
  for (let object: object | null = target; object !== null; object = Object.getPrototypeOf(object)) {
    const metadata = metadataOf.get(object);
    if (metadata?.has(key)) return metadata.get(key);
  }
  return undefined;
}

function defineMetadata(key: unknown, value: unknown, target: object): void {
  const metadata = metadataOf.get(target) ?? new Map();
  metadataOf.set(target, metadata.set(key, value));
}

if (!('getMetadata' in Reflect)) Object.assign(Reflect, { getOwnMetadata, getMetadata, defineMetadata });
