// Answers of the Kubernetes API, narrowed: a page of a list, one event of a watch, and the reason of a refusal. JSON in; objects,
// slim and parsed, out. An object that is no Kubernetes object at all is left out, and told.
import { Field, MalformedField } from '../field.ts';
import { type KubernetesObject, objectKey, parseKubernetesObject } from '../kubernetes-object.ts';
import { slimObject } from './slim-object.ts';

export interface ListedObject {
  readonly key: string;
  readonly resourceVersion: string;
  readonly object: KubernetesObject;
}

export interface ListPage {
  readonly objects: readonly ListedObject[];
  readonly resourceVersion: string;
  /** "" after the last page. */
  readonly continueToken: string;
}

export type WatchEvent =
  | { readonly kind: 'put' | 'gone'; readonly listed: ListedObject }
  | { readonly kind: 'bookmark'; readonly resourceVersion: string }
  | { readonly kind: 'error'; readonly status: number; readonly reason: string };

export interface KindIdentity {
  readonly apiVersion: string;
  readonly kind: string;
}

/** @throws MalformedField */
export function parseListPage(
  value: unknown,
  identity: KindIdentity,
  onUnreadable: (reason: string) => void,
): ListPage {
  const list = new Field('', value);
  return {
    objects: list
      .at('items')
      .items()
      .flatMap((item) => readListed(item.value, identity, onUnreadable) ?? []),
    resourceVersion: list.at('metadata').at('resourceVersion').text(),
    continueToken: list.at('metadata').at('continue').text(),
  };
}

/** Undefined for what is of no use. @throws MalformedField, SyntaxError */
export function parseWatchEvent(
  line: string,
  identity: KindIdentity,
  onUnreadable: (reason: string) => void,
): WatchEvent | undefined {
  const event = new Field('', JSON.parse(line));
  const object = event.at('object');
  switch (event.at('type').text()) {
    case 'ADDED':
    case 'MODIFIED': {
      const listed = readListed(object.value, identity, onUnreadable);
      return listed && { kind: 'put', listed };
    }
    case 'DELETED': {
      const listed = readListed(object.value, identity, onUnreadable);
      return listed && { kind: 'gone', listed };
    }
    case 'BOOKMARK':
      return { kind: 'bookmark', resourceVersion: object.at('metadata').at('resourceVersion').text() };
    case 'ERROR':
      return { kind: 'error', status: object.at('code').number(0, 999) ?? 500, reason: object.at('message').text() };
    default:
      return undefined;
  }
}

/** The message of a Status object, or the beginning of whatever came instead. */
export function reasonOfRefusal(body: string): string {
  try {
    const message = new Field('', JSON.parse(body)).at('message').text();
    if (message !== '') return message;
  } catch {
    // Not every refusal is from the API server itself.
  }
  return body.slice(0, 200).trim();
}

function readListed(
  value: unknown,
  identity: KindIdentity,
  onUnreadable: (reason: string) => void,
): ListedObject | undefined {
  try {
    const whole = { ...new Field('', value).record(), apiVersion: identity.apiVersion, kind: identity.kind };
    const resourceVersion = new Field('', whole).at('metadata').at('resourceVersion').text();
    const object = parseKubernetesObject(slimObject(identity.kind, whole), undefined);
    return { key: objectKey(object), resourceVersion, object };
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    onUnreadable(`${error.path} ${error.message}`);
    return undefined;
  }
}
