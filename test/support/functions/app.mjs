/** A small app on the official package, as its users write one: it tells on standard output what it was given. */
import { app } from '@azure/functions';

const tell = (event, context) => {
  console.log(JSON.stringify({ functionName: context.functionName, event }));
};

app.eventGrid('orders', { handler: tell });

app.eventGrid('failing', {
  handler(event, context) {
    tell(event, context);
    throw new Error('the function failed');
  },
});

app.http('other', { handler: () => ({ status: 200 }) });
