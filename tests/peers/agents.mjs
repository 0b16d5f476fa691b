/**
 * Agents on @a2a-js/sdk: on 1.x one whose card lists 1.0 alone and one that lists 0.3 alone and speaks it by the
 * library's compatibility layer, and one on 0.3.x. They understand the words of agent_v1.py, and each prints its line of
 * JSON once it listens; the gate's address is the only argument.
 */
import express from 'express';
import { Role, TaskState } from '@a2a-js/sdk';
import * as v1 from '@a2a-js/sdk/server';
import * as v1Express from '@a2a-js/sdk/server/express';
import * as v03 from 'a2a-js-sdk-v03/server';
import * as v03Express from 'a2a-js-sdk-v03/server/express';

const GATE = process.argv[2];
const now = () => new Date().toISOString();

async function passed(key) {
  const answer = await fetch(`${GATE}/${key}`);
  if (!answer.ok) throw new Error(`the gate said ${answer.status}`);
}

/** What both generations do, told in `say`: how each writes its events. */
function executor(say) {
  const cancelled = new Map();
  return {
    async execute(context, bus) {
      const { taskId, contextId, userMessage } = context;
      const [word, nonce] = say.textOf(userMessage).split(' ');
      if (word === 'echo' || word === 'parts') {
        bus.publish(word === 'echo' ? say.text(`heard ${nonce}`, contextId) : say.message(userMessage.parts, contextId));
        return bus.finished();
      }
      bus.publish(say.task(taskId, contextId, userMessage));
      bus.publish(say.status(taskId, contextId, 'working'));
      if (word === 'hold') await new Promise((done) => cancelled.set(taskId, done));
      else if (word === 'fail') bus.publish(say.status(taskId, contextId, 'failed', `could not ${nonce}`));
      else {
        for (const n of [1, 2, 3]) {
          bus.publish(say.piece(taskId, contextId, `${nonce}-${n} `, n > 1, n === 3));
          if (word === 'steps') await passed(`${nonce}-${n}`);
        }
        bus.publish(say.status(taskId, contextId, 'completed'));
      }
      return bus.finished();
    },
    async cancelTask(taskId, bus) {
      bus.publish(say.status(taskId, '', 'canceled'));
      cancelled.get(taskId)?.();
      bus.finished();
    },
  };
}

const STATES = {
  working: TaskState.TASK_STATE_WORKING, failed: TaskState.TASK_STATE_FAILED,
  completed: TaskState.TASK_STATE_COMPLETED, canceled: TaskState.TASK_STATE_CANCELED,
};
const part1 = (value) => ({ content: { $case: 'text', value }, metadata: undefined, filename: '', mediaType: '' });
const message1 = (parts, contextId) => ({
  messageId: crypto.randomUUID(), contextId, taskId: '', role: Role.ROLE_AGENT, parts, metadata: undefined, extensions: [], referenceTaskIds: [],
});

const sayV1 = {
  textOf: (message) => message.parts.map((part) => (part.content?.$case === 'text' ? part.content.value : '')).join(''),
  text: (words, contextId) => v1.AgentEvent.message(message1([part1(words)], contextId)),
  message: (parts, contextId) => v1.AgentEvent.message(message1(parts, contextId)),
  task: (id, contextId, from) => v1.AgentEvent.task({
    id, contextId, status: { state: TaskState.TASK_STATE_SUBMITTED, message: undefined, timestamp: now() }, artifacts: [], history: [from], metadata: undefined,
  }),
  status: (taskId, contextId, state, words) => v1.AgentEvent.statusUpdate({
    taskId, contextId, status: { state: STATES[state], message: words ? message1([part1(words)], contextId) : undefined, timestamp: now() }, metadata: undefined,
  }),
  piece: (taskId, contextId, words, append, lastChunk) => v1.AgentEvent.artifactUpdate({
    taskId, contextId, artifact: { artifactId: 'pieces', name: '', description: '', parts: [part1(words)], metadata: undefined, extensions: [] },
    append, lastChunk, metadata: undefined,
  }),
};

const message03 = (parts, contextId) => ({ kind: 'message', role: 'agent', messageId: crypto.randomUUID(), parts, contextId });
const sayV03 = {
  textOf: (message) => message.parts.map((part) => part.text ?? '').join(''),
  text: (words, contextId) => message03([{ kind: 'text', text: words }], contextId),
  message: message03,
  task: (id, contextId, from) => ({ kind: 'task', id, contextId, status: { state: 'submitted', timestamp: now() }, history: [from] }),
  status: (taskId, contextId, state, words) => ({
    kind: 'status-update', taskId, contextId, final: state !== 'working',
    status: { state, timestamp: now(), ...(words && { message: message03([{ kind: 'text', text: words }], contextId) }) },
  }),
  piece: (taskId, contextId, words, append, lastChunk) => ({
    kind: 'artifact-update', taskId, contextId, append, lastChunk, artifact: { artifactId: 'pieces', parts: [{ kind: 'text', text: words }] },
  }),
};

const about = {
  description: 'Says what it was told', version: '7.0.0', capabilities: { streaming: true, pushNotifications: false },
  defaultInputModes: ['text/plain'], defaultOutputModes: ['text/plain'],
  skills: [{ id: 'echo', name: 'Echo', description: 'Repeats', tags: ['test'] }],
};

/** Listens before the card is written, because the card names the port. */
async function serve(name, cardAt, mount) {
  const app = express();
  const listening = await new Promise((done) => { const server = app.listen(0, '127.0.0.1', () => done(server)); });
  const url = `http://127.0.0.1:${listening.address().port}/`;
  const card = { name, ...about, ...cardAt(url) };
  mount(app, card);
  console.log(JSON.stringify({ name, url, card }));
}

function generation1(version) {
  return (app, card) => {
    const full = { ...card, capabilities: { ...card.capabilities, extensions: [] }, provider: undefined, securitySchemes: {}, securityRequirements: [], signatures: [] };
    const requestHandler = new v1.DefaultRequestHandler(full, new v1.InMemoryTaskStore(), executor(sayV1));
    const legacyCompat = version === '0.3' ? { enabled: true } : undefined;
    app.use('/', v1Express.jsonRpcHandler({ requestHandler, userBuilder: v1Express.UserBuilder.noAuthentication, legacyCompat }));
  };
}

const listed = (version) => (url) => ({ supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: version, tenant: '' }] });
await serve('@a2a-js/sdk 1.x, v1', listed('1.0'), generation1('1.0'));
await serve('@a2a-js/sdk 1.x, v0.3', listed('0.3'), generation1('0.3'));
await serve('@a2a-js/sdk 0.3.x', (url) => ({ url, protocolVersion: '0.3.0', preferredTransport: 'JSONRPC' }), (app, card) => {
  const requestHandler = new v03.DefaultRequestHandler(card, new v03.InMemoryTaskStore(), executor(sayV03));
  app.use('/', v03Express.jsonRpcHandler({ requestHandler, userBuilder: v03Express.UserBuilder.noAuthentication }));
});
