// A call to a gRPC server as a promise, always with a deadline.
import { type CallOptions, type Client, type ClientUnaryCall, Metadata, type ServiceError } from '@grpc/grpc-js';

/** A generated unary method. */
export type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

/**
 * Calls a method of a client.
 *
 * @param timeout in milliseconds
 * @param metadata what the call carries beside the request
 * @throws ServiceError when the call fails, or nothing has come back in time
 */
export function unary<Request, Response>(
  client: Client,
  method: Unary<Request, Response>,
  request: Request,
  timeout: number,
  metadata = new Metadata(),
): Promise<Response> {
  return new Promise((resolve, reject) => {
    method.call(client, request, metadata, { deadline: Date.now() + timeout }, (error, response) => {
      if (error) reject(error);
      else resolve(response);
    });
  });
}

/** Whether the value is what grpc-js reports of a failed call. */
export function isServiceError(value: unknown): value is ServiceError {
  return value instanceof Error && 'code' in value && 'details' in value && 'metadata' in value;
}
