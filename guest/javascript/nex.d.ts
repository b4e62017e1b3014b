// Types of what a JavaScript function of Nex sees: how it is called, and every global that the runtime
// has besides those of the language. Use it with the library es2023 and without the library dom:
//
//	/// <reference path="nex.d.ts" />
//
// or, in tsconfig.json, "lib": ["es2023"], "types": [] and "files": ["nex.d.ts", "function.ts"].

// ---- Functions

/** A function: it is called once per message, and what it returns is the reply. */
type NexFunction = (subject: string, payload: Uint8Array, context: NexContext) => NexResult | Promise<NexResult>;

/** What a call has besides its subject and payload. */
interface NexContext {
  /** The message's headers: for each name, as it was sent, its values. */
  headers: Record<string, string[]>;
  /** The concrete subject of the message, never a wildcard. */
  subject: string;
  /** Unique; it names the call in logs. */
  id: string;
  /** When the call is stopped, in milliseconds since 1970: compare it with Date.now(). */
  deadline: number;
}

/**
 * What a function may return. An ArrayBuffer or a view of one is sent as it is, a string as UTF-8,
 * nothing as an empty reply, and anything else as JSON. An object with no other properties than data
 * and headers is a reply with headers.
 */
type NexResult = NexData | NexReply;

/** What can be sent; an object must have a form in JSON. */
type NexData = void | undefined | null | string | number | boolean | ArrayBuffer | ArrayBufferView | object;

/** A reply with headers. */
interface NexReply {
  data?: NexData;
  headers?: NexHeaders;
}

/** Headers to be sent. */
type NexHeaders = Record<string, string | number | boolean | readonly (string | number | boolean)[]>;

// ---- Host services

/** What a function may ask of its node. The methods wait for the answer; those of promises do not. */
declare var hostServices: NexHostServices & { readonly promises: NexHostServicePromises };

interface NexHostServices {
  readonly kv: NexKV;
  readonly objectStore: NexObjectStore;
  readonly messaging: NexMessaging;
  readonly http: NexHTTP<NexHTTPResponse>;
}

/** The same services, with methods that return promises. */
interface NexHostServicePromises {
  readonly kv: NexPromised<NexKV>;
  readonly objectStore: NexPromised<NexObjectStore>;
  readonly messaging: NexPromised<NexMessaging>;
  readonly http: NexHTTP<Promise<NexHTTPResponse>>;
}

/** An interface whose methods return promises of what they returned. */
type NexPromised<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<R> : T[K];
};

/** Content to be sent or stored: bytes as they are, a string as UTF-8, nothing as no bytes, and anything else as JSON. */
type NexContent = undefined | null | string | number | boolean | ArrayBuffer | ArrayBufferView | object;

/** Keys and values, in a bucket that is the function's own. */
interface NexKV {
  /** The value of a key, and null if there is none. */
  get(key: string): Uint8Array | null;
  set(key: string, value: NexContent): void;
  /** Deletes a key; one that is not there is no error. */
  delete(key: string): void;
  /** All keys, sorted. */
  keys(): string[];
}

/** Objects of any size that a message can have, in a bucket that is the function's own. */
interface NexObjectStore {
  /** The content of an object, and null if there is none. */
  get(name: string): Uint8Array | null;
  put(name: string, content: NexContent): NexObjectInfo;
  delete(name: string): void;
  /** All objects, sorted by name. */
  list(): NexObjectInfo[];
}

interface NexObjectInfo {
  name: string;
  /** In bytes. */
  size: number;
  /** "SHA-256=" and the digest in base64url. */
  digest: string;
  /** In the form of RFC 3339. */
  modified: string;
}

interface NexMessaging {
  publish(subject: string, payload?: NexContent, options?: { headers?: NexHeaders }): void;
  /** Sends a request and returns the payload of the answer. Throws with the code no_responders if nobody listens. */
  request(subject: string, payload?: NexContent, options?: NexRequestOptions): Uint8Array;
  /** Sends a request and returns the answers that come until the first of the conditions is met. */
  requestMany(subject: string, payload?: NexContent, options?: NexRequestManyOptions): NexMessage[];
}

interface NexRequestOptions {
  headers?: NexHeaders;
  /** The longest wait, in milliseconds; the node has a default and an upper bound. */
  timeout?: number;
}

interface NexRequestManyOptions extends NexRequestOptions {
  /** Ends it after so many answers. */
  maxMessages?: number;
  /** Ends it when after an answer no further one comes for so many milliseconds. */
  stall?: number;
  /** Ends it at an answer without payload and headers, which is left out. */
  sentinel?: boolean;
}

interface NexMessage {
  subject: string;
  headers: Record<string, string[]>;
  data: Uint8Array;
}

/**
 * HTTP requests. A status such as 404 is an answer, not an error. A body that is sent as JSON has that
 * content type, unless the headers say otherwise. The methods that usually have no body take the
 * options in its place. See also fetch.
 */
interface NexHTTP<R> {
  get(url: string, options?: NexHTTPOptions): R;
  get(url: string, body: NexContent, options?: NexHTTPOptions): R;
  head(url: string, options?: NexHTTPOptions): R;
  head(url: string, body: NexContent, options?: NexHTTPOptions): R;
  options(url: string, options?: NexHTTPOptions): R;
  options(url: string, body: NexContent, options?: NexHTTPOptions): R;
  delete(url: string, options?: NexHTTPOptions): R;
  delete(url: string, body: NexContent, options?: NexHTTPOptions): R;
  /** The same as delete. */
  del(url: string, options?: NexHTTPOptions): R;
  del(url: string, body: NexContent, options?: NexHTTPOptions): R;
  post(url: string, body?: NexContent, options?: NexHTTPOptions): R;
  put(url: string, body?: NexContent, options?: NexHTTPOptions): R;
  patch(url: string, body?: NexContent, options?: NexHTTPOptions): R;
  request(url: string, options?: NexHTTPOptions & { method?: string; body?: NexContent }): R;
}

interface NexHTTPOptions {
  headers?: NexHeaders;
  /** Bounds the whole exchange, in milliseconds; the node has a default and an upper bound. */
  timeout?: number;
  /** Parameters to be added to the URL. */
  query?: Record<string, string | number | boolean | readonly (string | number | boolean)[]>;
}

interface NexHTTPResponse {
  status: number;
  /** By name in lower case; several values of a header are joined by a comma. */
  headers: Record<string, string>;
  /** The body. */
  response: Uint8Array;
  /** The body as text. */
  text(): string;
  /** The body as JSON. */
  json(): any;
}

/** A host service request that failed. */
interface HostServiceError extends Error {
  readonly code: HostServiceCode;
}
interface HostServiceErrorConstructor {
  new (message: string, code: HostServiceCode): HostServiceError;
  readonly prototype: HostServiceError;
}
declare var HostServiceError: HostServiceErrorConstructor;

type HostServiceCode =
  | "invalid" // the request makes no sense
  | "not_found" // no such key or object
  | "denied" // the node does not allow it
  | "too_large"
  | "busy" // too many requests are under way
  | "timeout" // no answer in time
  | "no_responders" // nobody listens on the subject
  | "unavailable" // NATS, JetStream or the remote host could not be reached
  | "internal"; // the node failed

// ---- Environment, console, time

/** The function's environment, which cannot be changed. */
declare var env: Readonly<Record<string, string | undefined>>;

/** Has nothing but env, for code that looks for its environment there. */
declare var process: { readonly env: Readonly<Record<string, string | undefined>> };

/** Writes lines to the workload's log. */
interface Console {
  assert(condition?: unknown, ...data: unknown[]): void;
  count(label?: string): void;
  countReset(label?: string): void;
  debug(...data: unknown[]): void;
  dir(value?: unknown, options?: unknown): void;
  error(...data: unknown[]): void;
  group(...data: unknown[]): void;
  groupCollapsed(...data: unknown[]): void;
  groupEnd(): void;
  info(...data: unknown[]): void;
  log(...data: unknown[]): void;
  table(data?: unknown, columns?: string[]): void;
  time(label?: string): void;
  timeEnd(label?: string): void;
  timeLog(label?: string, ...data: unknown[]): void;
  trace(...data: unknown[]): void;
  warn(...data: unknown[]): void;
}
declare var console: Console;

interface Performance {
  /** Milliseconds since timeOrigin. */
  now(): number;
  /** Milliseconds since 1970. */
  readonly timeOrigin: number;
}
declare var performance: Performance;

declare function setTimeout<A extends unknown[]>(callback: (...args: A) => void, delay?: number, ...args: A): number;
declare function setInterval<A extends unknown[]>(callback: (...args: A) => void, delay?: number, ...args: A): number;
declare function clearTimeout(id?: number): void;
declare function clearInterval(id?: number): void;
declare function queueMicrotask(callback: () => void): void;

// ---- Text

/** Bytes that a standard interface takes. */
type BufferSource = ArrayBuffer | ArrayBufferView;

interface TextEncoder {
  readonly encoding: "utf-8";
  encode(input?: string): Uint8Array;
  /** Writes as many whole characters as there is room for. */
  encodeInto(source: string, destination: Uint8Array): { read: number; written: number };
}
interface TextEncoderConstructor {
  new (): TextEncoder;
  readonly prototype: TextEncoder;
}
declare var TextEncoder: TextEncoderConstructor;

interface TextDecoder {
  readonly encoding: "utf-8" | "utf-16le" | "windows-1252";
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  decode(input?: BufferSource, options?: { stream?: boolean }): string;
}
interface TextDecoderConstructor {
  /** Knows all labels of utf-8, utf-16le and windows-1252 (latin1), and throws a RangeError for others. */
  new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): TextDecoder;
  readonly prototype: TextDecoder;
}
declare var TextDecoder: TextDecoderConstructor;

/** Decodes base64 to a string of which each character stands for a byte. */
declare function atob(data: string): string;
/** Encodes a string of which each character stands for a byte as base64. */
declare function btoa(data: string): string;

// ---- URLs

/** A URL of at most 16384 bytes. */
interface URL {
  href: string;
  readonly origin: string;
  protocol: string;
  username: string;
  password: string;
  host: string;
  hostname: string;
  port: string;
  pathname: string;
  search: string;
  readonly searchParams: URLSearchParams;
  hash: string;
  toString(): string;
  toJSON(): string;
}
interface URLConstructor {
  new (url: string | URL, base?: string | URL): URL;
  readonly prototype: URL;
  canParse(url: string | URL, base?: string | URL): boolean;
  parse(url: string | URL, base?: string | URL): URL | null;
}
declare var URL: URLConstructor;

interface URLSearchParams {
  readonly size: number;
  append(name: string, value: string): void;
  delete(name: string, value?: string): void;
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string, value?: string): boolean;
  set(name: string, value: string): void;
  sort(): void;
  toString(): string;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  forEach(callback: (value: string, name: string, params: URLSearchParams) => void, thisArg?: unknown): void;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}
interface URLSearchParamsConstructor {
  new (init?: string | Iterable<readonly [string, string]> | Record<string, string>): URLSearchParams;
  readonly prototype: URLSearchParams;
}
declare var URLSearchParams: URLSearchParamsConstructor;

// ---- Cloning, random numbers

/** Clones all types of the language but functions and symbols; those throw a DataCloneError. */
declare function structuredClone<T>(value: T, options?: { transfer?: Iterable<ArrayBuffer> }): T;

interface Crypto {
  /** Fills an array of integers with at most 65536 random bytes, and returns it. */
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  randomUUID(): `${string}-${string}-${string}-${string}-${string}`;
}
declare var crypto: Crypto;

// ---- Events

interface DOMException extends Error {
  readonly name: string;
  readonly message: string;
  /** The legacy code that belongs to the name, and 0 if there is none. */
  readonly code: number;
}
interface DOMExceptionConstructor {
  new (message?: string, name?: string | { name?: string; cause?: unknown }): DOMException;
  readonly prototype: DOMException;
  readonly INDEX_SIZE_ERR: 1;
  readonly DOMSTRING_SIZE_ERR: 2;
  readonly HIERARCHY_REQUEST_ERR: 3;
  readonly WRONG_DOCUMENT_ERR: 4;
  readonly INVALID_CHARACTER_ERR: 5;
  readonly NO_DATA_ALLOWED_ERR: 6;
  readonly NO_MODIFICATION_ALLOWED_ERR: 7;
  readonly NOT_FOUND_ERR: 8;
  readonly NOT_SUPPORTED_ERR: 9;
  readonly INUSE_ATTRIBUTE_ERR: 10;
  readonly INVALID_STATE_ERR: 11;
  readonly SYNTAX_ERR: 12;
  readonly INVALID_MODIFICATION_ERR: 13;
  readonly NAMESPACE_ERR: 14;
  readonly INVALID_ACCESS_ERR: 15;
  readonly VALIDATION_ERR: 16;
  readonly TYPE_MISMATCH_ERR: 17;
  readonly SECURITY_ERR: 18;
  readonly NETWORK_ERR: 19;
  readonly ABORT_ERR: 20;
  readonly URL_MISMATCH_ERR: 21;
  readonly QUOTA_EXCEEDED_ERR: 22;
  readonly TIMEOUT_ERR: 23;
  readonly INVALID_NODE_TYPE_ERR: 24;
  readonly DATA_CLONE_ERR: 25;
}
declare var DOMException: DOMExceptionConstructor;

interface EventInit {
  bubbles?: boolean;
  cancelable?: boolean;
  composed?: boolean;
}

interface Event {
  readonly type: string;
  readonly target: EventTarget | null;
  readonly srcElement: EventTarget | null;
  readonly currentTarget: EventTarget | null;
  readonly eventPhase: number;
  readonly bubbles: boolean;
  readonly cancelable: boolean;
  readonly composed: boolean;
  readonly defaultPrevented: boolean;
  readonly isTrusted: boolean;
  readonly timeStamp: number;
  cancelBubble: boolean;
  returnValue: boolean;
  composedPath(): EventTarget[];
  preventDefault(): void;
  stopImmediatePropagation(): void;
  stopPropagation(): void;
}
interface EventConstructor {
  new (type: string, options?: EventInit): Event;
  readonly prototype: Event;
  readonly NONE: 0;
  readonly CAPTURING_PHASE: 1;
  readonly AT_TARGET: 2;
  readonly BUBBLING_PHASE: 3;
}
declare var Event: EventConstructor;

interface CustomEvent<T = any> extends Event {
  readonly detail: T;
}
interface CustomEventConstructor {
  new <T = any>(type: string, options?: EventInit & { detail?: T }): CustomEvent<T>;
  readonly prototype: CustomEvent;
}
declare var CustomEvent: CustomEventConstructor;

type EventListenerOrObject = ((event: any) => void) | { handleEvent(event: any): void };

interface EventTarget {
  addEventListener(
    type: string,
    listener: EventListenerOrObject | null,
    options?: boolean | { capture?: boolean; once?: boolean; passive?: boolean; signal?: AbortSignal },
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrObject | null,
    options?: boolean | { capture?: boolean },
  ): void;
  /** Calls the listeners; false if one of them prevented the default. */
  dispatchEvent(event: Event): boolean;
}
interface EventTargetConstructor {
  new (): EventTarget;
  readonly prototype: EventTarget;
}
declare var EventTarget: EventTargetConstructor;

interface AbortSignal extends EventTarget {
  readonly aborted: boolean;
  readonly reason: any;
  onabort: ((this: AbortSignal, event: Event) => void) | null;
  throwIfAborted(): void;
}
interface AbortSignalConstructor {
  readonly prototype: AbortSignal;
  abort(reason?: unknown): AbortSignal;
  any(signals: Iterable<AbortSignal>): AbortSignal;
  timeout(milliseconds: number): AbortSignal;
}
declare var AbortSignal: AbortSignalConstructor;

interface AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}
interface AbortControllerConstructor {
  new (): AbortController;
  readonly prototype: AbortController;
}
declare var AbortController: AbortControllerConstructor;

// ---- Fetch

type HeadersInit = Headers | Iterable<readonly [string, string]> | Record<string, string>;

interface Headers {
  append(name: string, value: string): void;
  delete(name: string): void;
  get(name: string): string | null;
  getSetCookie(): string[];
  has(name: string): boolean;
  set(name: string, value: string): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  forEach(callback: (value: string, name: string, headers: Headers) => void, thisArg?: unknown): void;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}
interface HeadersConstructor {
  new (init?: HeadersInit): Headers;
  readonly prototype: Headers;
}
declare var Headers: HeadersConstructor;

/** Bodies are there as a whole: there are no streams, and no Blob and FormData. */
type BodyInit = string | BufferSource | URLSearchParams;

interface Body {
  /** Always null, because there are no streams: read a body with the methods. */
  readonly body: null;
  readonly bodyUsed: boolean;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array>;
  json(): Promise<any>;
  text(): Promise<string>;
}

type RequestRedirect = "follow" | "error" | "manual";

interface RequestInit {
  method?: string;
  headers?: HeadersInit;
  body?: BodyInit | null;
  /** With manual the answer is the redirecting response itself. */
  redirect?: RequestRedirect;
  signal?: AbortSignal | null;
}

interface Request extends Body {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly redirect: RequestRedirect;
  readonly signal: AbortSignal;
  clone(): Request;
}
interface RequestConstructor {
  new (input: string | URL | Request, init?: RequestInit): Request;
  readonly prototype: Request;
}
declare var Request: RequestConstructor;

interface ResponseInit {
  status?: number;
  statusText?: string;
  headers?: HeadersInit;
}

interface Response extends Body {
  readonly type: "basic" | "default" | "error";
  readonly url: string;
  readonly redirected: boolean;
  readonly status: number;
  readonly ok: boolean;
  readonly statusText: string;
  readonly headers: Headers;
  clone(): Response;
}
interface ResponseConstructor {
  new (body?: BodyInit | null, init?: ResponseInit): Response;
  readonly prototype: Response;
  error(): Response;
  json(data: unknown, init?: ResponseInit): Response;
  redirect(url: string | URL, status?: 301 | 302 | 303 | 307 | 308): Response;
}
declare var Response: ResponseConstructor;

/**
 * Performs an HTTP request. When the remote host cannot be reached, or the node does not allow it, the
 * promise is rejected with a TypeError whose cause is the HostServiceError.
 */
declare function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
