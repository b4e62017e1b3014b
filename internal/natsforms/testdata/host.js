// Uses every host service that needs a connection.
(subject, payload) => {
  const h = hostServices;
  console.log('asked for host services');
  h.kv.set('key', 'value');
  h.kv.get('key');
  h.kv.keys();
  h.kv.delete('key');
  h.objectStore.put('object', 'x'.repeat(200000));
  h.objectStore.get('object');
  h.objectStore.list();
  h.objectStore.delete('object');
  h.messaging.publish('shop.told', 'x');
  h.messaging.request('shop.service', 'x');
  h.messaging.requestMany('shop.service', 'x');
  return 'host services work';
}
