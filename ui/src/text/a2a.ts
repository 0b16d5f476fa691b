/** Reading A2A bodies in every shape that agents answer with (50 §13.2 row mapping). Pure. */
import type { A2AMessage, Attachment, TraceEntry } from '@/api/types';

type Obj = Record<string, unknown>;

const isObj = (value: unknown): value is Obj => value !== null && typeof value === 'object' && !Array.isArray(value);
const str = (value: unknown): string => (typeof value === 'string' ? value : '');

export interface Content {
  /** One entry per text part or artifact, in order. */
  texts: string[];
  files: Attachment[];
}

function addParts(parts: unknown, into: Content): void {
  if (!Array.isArray(parts)) return;
  for (const part of parts) {
    if (!isObj(part)) continue;
    if (typeof part.text === 'string' && part.text) into.texts.push(part.text);
    const file = part.file;
    if (isObj(file)) {
      const uri = str(file.uri);
      const name = str(file.name);
      if (uri && name) {
        into.files.push({
          uri,
          name,
          mimeType: str(file.mimeType) || undefined,
          size: typeof file.size === 'number' ? file.size : undefined,
        });
      }
    }
  }
}

function addArtifacts(artifacts: unknown, into: Content): void {
  if (!Array.isArray(artifacts)) return;
  for (const artifact of artifacts) {
    if (!isObj(artifact)) continue;
    const own: Content = { texts: [], files: [] };
    addParts(artifact.parts, own);
    if (own.texts.length) into.texts.push(own.texts.join(''));
    into.files.push(...own.files);
  }
}

/** The message of a request envelope: `params.message`. */
export function requestMessage(body: unknown): A2AMessage | undefined {
  const params = isObj(body) ? body.params : undefined;
  const message = isObj(params) ? params.message : undefined;
  return isObj(message) ? (message as A2AMessage) : undefined;
}

export function requestMetadata(body: unknown): Obj {
  const params = isObj(body) && isObj(body.params) ? body.params : {};
  const own = isObj(params.metadata) ? params.metadata : {};
  const message = isObj(params.message) && isObj(params.message.metadata) ? params.message.metadata : {};
  return { ...message, ...own };
}

/** The turn of another agent that this message came from. */
export const parentTaskOf = (body: unknown): string => str(requestMetadata(body).parent_task_id);

export function requestContent(body: unknown): Content {
  const content: Content = { texts: [], files: [] };
  const message = requestMessage(body);
  if (message) {
    addParts(message.parts, content);
    if (content.texts.length === 0 && typeof (message as Obj).content === 'string') {
      content.texts.push((message as Obj).content as string);
    }
  } else if (isObj(body) && typeof body.task === 'string') {
    content.texts.push(body.task);
  }
  return content;
}

/** The final message of an answer, wherever it stands. */
export function responseMessage(body: unknown): A2AMessage | undefined {
  const result = isObj(body) && 'result' in body ? body.result : body;
  if (!isObj(result)) return undefined;
  if (Array.isArray(result.parts)) return result as A2AMessage;
  const status = result.status;
  if (isObj(status) && isObj(status.message)) return status.message as A2AMessage;
  if (isObj(result.message)) return result.message as A2AMessage;
  return undefined;
}

/** Everything an answer says: all text parts and artifacts, and its files (never only the first part). */
export function responseContent(body: unknown): Content {
  const content: Content = { texts: [], files: [] };
  if (!isObj(body)) {
    if (typeof body === 'string' && body) content.texts.push(body);
    return content;
  }
  const result = 'result' in body ? body.result : body;
  if (typeof result === 'string') {
    if (result) content.texts.push(result);
    // A string result keeps the files that stand beside it.
    addParts(body.parts, content);
    return content;
  }
  if (!isObj(result)) return content;
  addParts(result.parts, content);
  if (content.texts.length === 0) addParts(responseMessage(body)?.parts, content);
  if (content.texts.length === 0) addArtifacts(result.artifacts, content);
  if (content.texts.length === 0 && typeof result.text === 'string') content.texts.push(result.text);
  return content;
}

export interface Fault { text: string; code?: string; retryAfter?: number }

/** Why a turn failed, from a JSON-RPC error, a failed state or a message that carries an error. */
export function faultOf(body: unknown): Fault | undefined {
  if (!isObj(body)) return undefined;
  if (isObj(body.error)) {
    const data = isObj(body.error.data) ? body.error.data : {};
    return {
      text: str(body.error.message) || 'The agent answered with an error.',
      code: str(data.code) || undefined,
      retryAfter: typeof data.retry_after === 'number' ? data.retry_after : undefined,
    };
  }
  if (typeof body.error === 'string') return { text: body.error };
  const message = responseMessage(body);
  const error = isObj(message?.metadata) && isObj(message.metadata.error) ? message.metadata.error : undefined;
  const result = isObj(body.result) ? body.result : body;
  const state = isObj(result.status) ? str(result.status.state) : '';
  if (!error && state !== 'failed') return undefined;
  return {
    text: responseContent(body).texts.join('\n\n') || 'The agent could not finish this.',
    code: str(error?.code) || undefined,
    retryAfter: typeof error?.retry_after === 'number' ? error.retry_after : undefined,
  };
}

export function traceOf(body: unknown, column?: TraceEntry[]): TraceEntry[] {
  const trace = responseMessage(body)?.metadata?.tool_trace ?? column;
  return Array.isArray(trace) ? (trace as unknown[]).filter((entry): entry is TraceEntry => isObj(entry) && typeof entry.tool === 'string') : [];
}

export function usageOf(body: unknown): { input: number; output: number } | undefined {
  const result = isObj(body) && isObj(body.result) ? body.result : body;
  const usage = responseMessage(body)?.usage ?? (isObj(result) ? result.usage : undefined);
  if (!isObj(usage)) return undefined;
  const input = typeof usage.input_tokens === 'number' ? usage.input_tokens : 0;
  const output = typeof usage.output_tokens === 'number' ? usage.output_tokens : 0;
  return input || output ? { input, output } : undefined;
}

export function stateOf(body: unknown): string {
  const result = isObj(body) && isObj(body.result) ? body.result : isObj(body) ? body : {};
  return isObj(result.status) ? str(result.status.state) : '';
}
