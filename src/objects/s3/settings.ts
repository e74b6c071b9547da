/**
 * What an S3 client is given: where, who, how long, and by which way the hot requests go. Types only, so that the SDK's
 * side and the fast one share them without knowing each other.
 */

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Credentials that end; whoever gives them is asked again in time. */
export interface PassingCredentials extends S3Credentials {
  readonly expiration?: Date;
}

export interface S3Settings {
  /** Absent: the SDK's own (AWS_ENDPOINT_URL_S3, then AWS by region). */
  readonly endpoint?: string;
  /** Absent: the SDK's own (AWS_REGION, shared config). */
  readonly region?: string;
  /** Absent: the SDK's own chain (AWS_* names, shared config, pod or instance role). */
  readonly credentials?: S3Credentials | (() => Promise<PassingCredentials>);
  /** Default: true where `endpoint` is set, as servers other than AWS seldom have a DNS name for each bucket. */
  readonly forcePathStyle?: boolean;
  /** One call, its body included, milliseconds (30,000). */
  readonly requestTimeoutMs?: number;
  /** Sockets, hence calls at a time, for each client (64). */
  readonly maxSockets?: number;
  /** `fast` (the default): range reads and writes go past the SDK where they can; `sdk`: nothing does. */
  readonly dataPath?: 'fast' | 'sdk';
  /** `when_required`: no x-amz-checksum headers, but where S3 demands a checksum and Content-MD5 cannot be had. */
  readonly requestChecksums?: 'when_supported' | 'when_required';
  /** `when_supported`: whole objects that are read are compared with the store's checksum, where it has one. */
  readonly responseChecksums?: 'when_supported' | 'when_required';
  /** Called once for each thing that a server turns out to lack. */
  readonly log?: (message: string) => void;
}
