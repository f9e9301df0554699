/** A sink whose receipts go to a ledger, one path per subscription. */
import { digestOf, type Ledger } from './ledger.js';
import { messageIdOf, type Receipt, type Sink, startSink } from './sink.js';

/**
 * Starts a sink that writes every event it receives to the ledger, under the path without its slash, and answers 200.
 * A request that carries no event is written as one that nobody published.
 */
export async function startLedgerSink(ledger: Ledger): Promise<Sink> {
  const sink = await startSink();
  sink.onReceipt((receipt) => {
    ledger.receive({
      ...read(receipt),
      subscription: receipt.path.slice(1),
      message: messageIdOf(receipt.headers),
    });
  });
  return sink;
}

function read(receipt: Receipt): { id: string; digest: string } {
  try {
    return { id: String(receipt.event.attributes.id), digest: digestOf(receipt.event.data) };
  } catch {
    return { id: `unreadable: ${receipt.method} ${receipt.body.toString('latin1', 0, 100)}`, digest: '' };
  }
}
