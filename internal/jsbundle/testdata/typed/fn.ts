interface Order {
  id: number;
}

enum Size {
  Small = 1,
  Large,
}

class Shop {
  constructor(private readonly size: Size) {}
  take(order: Order): string {
    return `${order.id}:${Size[this.size]}`;
  }
}

export default async (subject: string, payload: Uint8Array): Promise<string> => {
  const order = JSON.parse(new TextDecoder().decode(payload)) as Order;
  return new Shop(Size.Large).take(order);
};
