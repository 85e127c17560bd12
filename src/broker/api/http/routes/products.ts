// The routes of products: what they are, and how they are traded.
import { MarketProduct, MarketProductList, ProductChange, ProductParams } from '../../../../api/products.ts';
import type { MarketContext } from '../../../market/orders.ts';
import { MarketProducts } from '../../../market/products.ts';
import type { ApiServer } from '../app.ts';

const tags = ['products'];

/** Registers them. */
export function productRoutes(app: ApiServer, services: MarketContext): void {
  const products = new MarketProducts(services);
  app.get(
    '/api/v2/products',
    {
      config: { action: 'product.read' },
      schema: {
        tags,
        summary: 'What GPUs can be sold as, and how each product is traded',
        response: { 200: MarketProductList },
      },
    },
    async () => ({ items: await products.list(), next_cursor: null }),
  );
  app.patch(
    '/api/v2/products/:id',
    {
      config: { action: 'product.update' },
      schema: {
        tags,
        summary: 'Change how it is traded',
        params: ProductParams,
        body: ProductChange,
        response: { 200: MarketProduct },
      },
    },
    ({ principal, params, body }) => products.update(principal, params.id, body),
  );
}
