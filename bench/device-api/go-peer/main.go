// An ordinary Go server of GpuService: the peer that the product's device API is measured against.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	pb "gpubroker/deviceapi"

	grpcprometheus "github.com/grpc-ecosystem/go-grpc-prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"
)

func main() {
	socket := flag.String("socket", "", "path of the Unix socket to serve on")
	metrics := flag.String("metrics-address", "127.0.0.1:0", "address of /metrics")
	version := flag.Bool("version", false, "print the versions of Go and gRPC and exit")
	flag.Parse()
	if *version {
		fmt.Printf("%s, grpc-go %s\n", runtime.Version(), grpc.Version)
		return
	}
	if *socket == "" {
		log.Fatal("-socket is required")
	}
	if err := serve(*socket, *metrics); err != nil {
		log.Fatal(err)
	}
}

func serve(socket, metrics string) error {
	os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := newServer()
	go serveMetrics(metrics)
	go stopOnSignal(server)
	return server.Serve(listener)
}

func newServer() *grpc.Server {
	grpcprometheus.EnableHandlingTimeHistogram()
	server := grpc.NewServer(
		grpc.UnaryInterceptor(grpcprometheus.UnaryServerInterceptor),
		grpc.StreamInterceptor(grpcprometheus.StreamServerInterceptor),
	)
	pb.RegisterGpuServiceServer(server, &gpuService{cache: newCache()})
	grpcprometheus.Register(server)
	return server
}

func serveMetrics(address string) {
	http.Handle("/metrics", promhttp.Handler())
	log.Fatal(http.ListenAndServe(address, nil))
}

func stopOnSignal(server *grpc.Server) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	<-signals
	server.Stop()
}
