// The RPCs of GpuService: check the request, ask the cache.
package main

import (
	"context"
	"strings"

	pb "gpubroker/deviceapi"

	"github.com/golang/protobuf/ptypes/empty"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type gpuService struct {
	pb.UnimplementedGpuServiceServer
	cache *cache
}

func (s *gpuService) GetGpu(ctx context.Context, request *pb.GetGpuRequest) (*pb.GetGpuResponse, error) {
	if request.GetName() == "" {
		return nil, required("name")
	}
	gpu, err := s.cache.get(strings.ToLower(request.Name))
	if err != nil {
		return nil, err
	}
	return &pb.GetGpuResponse{Gpu: gpu}, nil
}

func (s *gpuService) ListGpus(ctx context.Context, request *pb.ListGpusRequest) (*pb.ListGpusResponse, error) {
	return &pb.ListGpusResponse{GpuList: s.cache.list()}, nil
}

func (s *gpuService) WatchGpus(request *pb.WatchGpusRequest, stream pb.GpuService_WatchGpusServer) error {
	version := request.GetOpts().GetResourceVersion()
	gpus, events := s.cache.watch(version == "" || version == "0")
	defer s.cache.unwatch(events)
	for _, gpu := range gpus {
		if err := stream.Send(&pb.WatchGpusResponse{Type: "ADDED", Object: gpu}); err != nil {
			return err
		}
	}
	for {
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case event, open := <-events:
			if !open {
				return status.Error(codes.ResourceExhausted, "the watcher reads too slowly")
			}
			if err := stream.Send(event); err != nil {
				return err
			}
		}
	}
}

func (s *gpuService) CreateGpu(ctx context.Context, request *pb.CreateGpuRequest) (*pb.CreateGpuResponse, error) {
	name := strings.ToLower(request.GetGpu().GetMetadata().GetName())
	if name == "" {
		return nil, required("gpu.metadata.name")
	}
	request.Gpu.Metadata.Name = name
	gpu, created := s.cache.create(request.Gpu)
	return &pb.CreateGpuResponse{Gpu: gpu, Created: created}, nil
}

func (s *gpuService) UpdateGpu(ctx context.Context, request *pb.UpdateGpuRequest) (*pb.UpdateGpuResponse, error) {
	name := strings.ToLower(request.GetGpu().GetMetadata().GetName())
	if name == "" {
		return nil, required("gpu.metadata.name")
	}
	gpu, err := s.cache.update(name, request.Gpu.ResourceVersion, func(gpu *pb.Gpu) { gpu.Spec = request.Gpu.Spec })
	if err != nil {
		return nil, err
	}
	return &pb.UpdateGpuResponse{Gpu: gpu}, nil
}

func (s *gpuService) UpdateGpuStatus(ctx context.Context, request *pb.UpdateGpuStatusRequest) (*pb.UpdateGpuStatusResponse, error) {
	if request.GetName() == "" {
		return nil, required("name")
	}
	if request.Status == nil {
		return nil, required("status")
	}
	name := strings.ToLower(request.Name)
	gpu, err := s.cache.update(name, request.ResourceVersion, func(gpu *pb.Gpu) { gpu.Status = request.Status })
	if err != nil {
		return nil, err
	}
	return &pb.UpdateGpuStatusResponse{Gpu: gpu}, nil
}

func (s *gpuService) DeleteGpu(ctx context.Context, request *pb.DeleteGpuRequest) (*empty.Empty, error) {
	if request.GetName() == "" {
		return nil, required("name")
	}
	if err := s.cache.remove(strings.ToLower(request.Name)); err != nil {
		return nil, err
	}
	return &empty.Empty{}, nil
}

func required(field string) error {
	return status.Errorf(codes.InvalidArgument, "%s is required", field)
}
