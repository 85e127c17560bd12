// gRPC's server reflection, by which tools such as grpcurl learn what is served here; see health.ts for why it is ours.
import { type Server, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { protoFiles } from '../wire/descriptors.ts';
import {
  type ServerReflectionRequest,
  ServerReflectionResponse,
  ServerReflectionService,
} from '../wire/grpc/reflection/v1/reflection.ts';

type Info = ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>;
type Answer = Omit<ServerReflectionResponse, 'validHost' | 'originalRequest'>;

/** Answers on every server that it is added to. */
export class Reflection {
  readonly #calls = new Set<Info>();

  /** Adds the service, and the same one under the name that older tools ask for. */
  addTo(server: Server): void {
    const { serverReflectionInfo } = ServerReflectionService;
    for (const version of ['v1', 'v1alpha']) {
      const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
      const definition = { serverReflectionInfo: { ...serverReflectionInfo, path } };
      server.addService(definition, { serverReflectionInfo: (call: Info) => this.#begin(call) });
    }
  }

  /** Ends what clients have left open. */
  endAll(): void {
    for (const call of this.#calls) call.end();
  }

  #begin(call: Info): void {
    this.#calls.add(call);
    call.on('cancelled', () => this.#calls.delete(call));
    answerAll(call);
  }
}

function answerAll(call: Info): void {
  call.on('data', (request: ServerReflectionRequest) => {
    const response = { validHost: request.host, originalRequest: request, ...answerTo(request) };
    // A client that asks faster than it reads waits until it has read.
    if (call.write(response)) return;
    call.pause();
    call.once('drain', () => call.resume());
  });
  call.on('end', () => call.end());
  call.on('error', () => call.end());
}

function answerTo(request: ServerReflectionRequest): Answer {
  const none = ServerReflectionResponse.create();
  const { fileByFilename, fileContainingSymbol, listServices } = request;
  if (listServices !== undefined) {
    const service = protoFiles.flatMap(({ services }) => services).map((name) => ({ name }));
    return { ...none, listServicesResponse: { service } };
  }
  const file =
    fileByFilename === undefined
      ? protoFiles.find(({ symbols }) => symbols.includes(fileContainingSymbol ?? ''))
      : protoFiles.find(({ name }) => name === fileByFilename);
  if (file) {
    const fileDescriptorProto = withImports(file.name).map(({ descriptor }) => Buffer.from(descriptor, 'base64'));
    return { ...none, fileDescriptorResponse: { fileDescriptorProto } };
  }
  const asked = fileByFilename ?? fileContainingSymbol;
  return {
    ...none,
    errorResponse:
      asked === undefined
        ? { errorCode: status.UNIMPLEMENTED, errorMessage: 'there are no extensions here' }
        : { errorCode: status.NOT_FOUND, errorMessage: `nothing here is named ${JSON.stringify(asked)}` },
  };
}

/** A file and, behind it, all that it imports. */
function withImports(name: string, seen = new Set<string>()): typeof protoFiles {
  const file = protoFiles.find((one) => one.name === name);
  if (!file || seen.has(name)) return [];
  seen.add(name);
  return [file, ...file.imports.flatMap((imported) => withImports(imported, seen))];
}
