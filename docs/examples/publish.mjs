// Publishes one event with the CloudEvents SDK's own HTTP emitter. `node docs/examples/publish.mjs [url]`
import { CloudEvent, emitterFor, httpTransport, Mode } from 'cloudevents';

const url = process.argv[2] ?? 'http://127.0.0.1:8080/topics/demo:publish';
const emit = emitterFor(httpTransport(url), { mode: Mode.BINARY });
const event = new CloudEvent({ type: 'order.created', source: '/shop', data: { order: 42 } });
await emit(event);
console.log(`published ${event.id}`);
