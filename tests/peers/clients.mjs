/**
 * Clients on @a2a-js/sdk 1.x (in v1 and in its v0.3) and 0.3.x. The same steps and arguments as client_v1.py.
 */
import assert from 'node:assert/strict';
import { Role, TaskState } from '@a2a-js/sdk';
import * as v1 from '@a2a-js/sdk/client';
import * as v03 from 'a2a-js-sdk-v03/client';

const [base, gate, listed] = process.argv.slice(2);
const agents = JSON.parse(listed);

async function open(key) {
  const answer = await fetch(`${gate}/${key}`, { method: 'POST' });
  if (!answer.ok) throw new Error(`the gate said ${answer.status}`);
}

const parts1 = [
  { content: { $case: 'text', value: 'parts' }, metadata: undefined, filename: '', mediaType: '' },
  { content: { $case: 'url', value: 'https://example.com/a.txt' }, metadata: undefined, filename: 'a.txt', mediaType: 'text/plain' },
  { content: { $case: 'raw', value: Buffer.from([0, 1, 255]) }, metadata: undefined, filename: 'b.bin', mediaType: 'application/octet-stream' },
  { content: { $case: 'data', value: { n: 1.5, list: [true, null, 'x'] } }, metadata: undefined, filename: '', mediaType: '' },
];
const plain1 = (part) => [part.content.$case, part.content.$case === 'raw' ? Buffer.from(part.content.value).toString('hex') : part.content.value, part.filename, part.mediaType];

/** How 1.x writes and reads; its answers look the same whatever is on the wire. */
const generation1 = {
  asks: (parts) => ({
    tenant: '', configuration: undefined, metadata: undefined,
    message: { messageId: crypto.randomUUID(), contextId: '', taskId: '', role: Role.ROLE_USER, parts, metadata: undefined, extensions: [], referenceTaskIds: [] },
  }),
  text: (words) => [{ content: { $case: 'text', value: words }, metadata: undefined, filename: '', mediaType: '' }],
  parts: parts1,
  shape: plain1,
  textOf: (parts) => parts.map((part) => (part.content?.$case === 'text' ? part.content.value : '')).join(''),
  state: (status) => TaskState[status.state].replace('TASK_STATE_', '').toLowerCase(),
  event: (event) => [event.payload.$case, event.payload.value],
  id: (id) => ({ tenant: '', id, metadata: undefined }),
};

const parts03 = [
  { kind: 'text', text: 'parts' },
  { kind: 'file', file: { uri: 'https://example.com/a.txt', name: 'a.txt', mimeType: 'text/plain' } },
  { kind: 'file', file: { bytes: 'AAH/', name: 'b.bin', mimeType: 'application/octet-stream' } },
  { kind: 'data', data: { n: 1.5, list: [true, null, 'x'] } },
];
const NAMES = { task: 'task', message: 'message', 'status-update': 'statusUpdate', 'artifact-update': 'artifactUpdate' };
const generation03 = {
  asks: (parts) => ({ message: { kind: 'message', messageId: crypto.randomUUID(), role: 'user', parts } }),
  text: (words) => [{ kind: 'text', text: words }],
  parts: parts03,
  shape: (part) => part,
  textOf: (parts) => parts.map((part) => part.text ?? '').join(''),
  state: (status) => status.state,
  event: (event) => [NAMES[event.kind], event],
  id: (id) => ({ id }),
};

const piecesOf = (nonce) => [1, 2, 3].map((n) => `${nonce}-${n} `);

const STEPS = {
  async echo({ client, say, nonce }) {
    const said = await client.sendMessage(say.asks(say.text(`echo ${nonce}`)));
    assert.equal(say.textOf(said.parts), `heard ${nonce}`);
  },
  async parts({ client, say }) {
    const got = await client.sendMessage(say.asks(say.parts));
    assert.deepEqual(got.parts.map(say.shape), say.parts.map(say.shape));
  },
  async whole_task_and_get({ client, say, nonce }) {
    const text = (task) => task.artifacts.map((each) => say.textOf(each.parts)).join('');
    const task = await client.sendMessage(say.asks(say.text(`all ${nonce}`)));
    assert.equal(say.state(task.status), 'completed');
    assert.equal(text(task), piecesOf(nonce).join(''));
    const again = await client.getTask(say.id(task.id));
    assert.deepEqual([again.id, say.state(again.status), text(again)], [task.id, 'completed', text(task)]);
  },
  async failed_task({ client, say, nonce }) {
    const task = await client.sendMessage(say.asks(say.text(`fail ${nonce}`)));
    assert.equal(say.state(task.status), 'failed');
    assert.equal(say.textOf(task.status.message.parts), `could not ${nonce}`);
  },
  async stream_piece_by_piece({ client, say, nonce }) {
    const [seen, states] = [[], []];
    for await (const each of client.sendMessageStream(say.asks(say.text(`steps ${nonce}`)))) {
      const [kind, event] = say.event(each);
      if (kind === 'artifactUpdate') {
        seen.push(say.textOf(event.artifact.parts));
        // The agent says the next one only after this.
        await open(`${nonce}-${seen.length}`);
      } else if (kind === 'statusUpdate') states.push(say.state(event.status));
    }
    assert.deepEqual(seen, piecesOf(nonce));
    assert.equal(states.at(-1), 'completed');
  },
  async cancel({ client, say, nonce }) {
    let task = '';
    const states = [];
    for await (const each of client.sendMessageStream(say.asks(say.text(`hold ${nonce}`)))) {
      const [kind, event] = say.event(each);
      if (kind === 'task') task = event.id;
      if (kind !== 'statusUpdate') continue;
      states.push(say.state(event.status));
      if (states.at(-1) === 'working') assert.equal(say.state((await client.cancelTask(say.id(task))).status), 'canceled');
    }
    assert.equal(states.at(-1), 'canceled');
  },
  async unknown_task({ client, say }) {
    await assert.rejects(client.getTask(say.id('no-such-task')), (error) => /not found/i.test(`${error.name} ${error.message}`));
  },
};

/** 1.x from a card that lists one version alone; the library chooses how to speak from that. */
async function clientOf1(url, version) {
  const legacyCompat = { enabled: true };
  const resolver = new v1.DefaultAgentCardResolver({ legacyCompat });
  const card = await resolver.resolve(url);
  card.supportedInterfaces = card.supportedInterfaces.filter((each) => each.protocolVersion === version);
  return new v1.ClientFactory({ transports: [new v1.JsonRpcTransportFactory({ legacyCompat })], cardResolver: resolver }).createFromAgentCard(card);
}

const CLIENTS = [
  ['@a2a-js/sdk 1.x, v1.0', generation1, (url) => clientOf1(url, '1.0')],
  ['@a2a-js/sdk 1.x, v0.3', generation1, (url) => clientOf1(url, '0.3')],
  ['@a2a-js/sdk 0.3.x', generation03, (url) => new v03.ClientFactory().createFromUrl(url)],
];

for (const [agent, workspace] of Object.entries(agents)) {
  for (const [name, say, connect] of CLIENTS) {
    const nonce = crypto.randomUUID().slice(0, 8);
    // The plain way of this library: a path beside the last part of the address.
    const client = await connect(`${base}/workspaces/${workspace}/a2a`);
    for (const [step, run] of Object.entries(STEPS)) {
      let wrong = '';
      try {
        await run({ client, say, nonce });
      } catch (error) {
        wrong = `${error.name}: ${error.message}`.slice(0, 2000);
      }
      console.log(JSON.stringify({ client: name, agent, step, wrong }));
    }
  }
}
process.exit(0);
