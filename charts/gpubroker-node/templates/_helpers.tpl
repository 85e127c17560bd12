{{/* Names, labels, and what several templates have in common. */}}

{{- define "gpubroker-node.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "gpubroker-node.fullname" -}}
{{- $name := include "gpubroker-node.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "gpubroker-node.selectorLabels" -}}
app.kubernetes.io/name: {{ include "gpubroker-node.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gpubroker-node.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "gpubroker-node.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: node
app.kubernetes.io/part-of: gpubroker
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "gpubroker-node.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "gpubroker-node.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "gpubroker-node.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The user of the agent: root where device files or the kubelet's socket ask for it. */}}
{{- define "gpubroker-node.user" -}}
{{- if or (eq .Values.deviceAccess "privileged") .Values.podResources.enabled -}}0{{- else -}}{{ int .Values.securityContext.runAsUser }}{{- end -}}
{{- end }}

{{/* "true" where an object of Prometheus's operator is to be made; takes the root and the value of `enabled`. */}}
{{- define "gpubroker-node.monitoring" -}}
{{- $root := index . 0 -}}
{{- $enabled := index . 1 | toString -}}
{{- if or (eq $enabled "true") (and (eq $enabled "auto") ($root.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) -}}true{{- end -}}
{{- end }}

{{/*
The labels by which nodes with GPUs of each vendor are known; any of them will do. `present` labels are those of
node-feature-discovery, with its default fields (class and vendor) and with the vendor alone; the classes are display
(0300, 0302, 0380) and processing accelerator (1200). The others are made by the vendors' operators.
*/}}
{{- define "gpubroker-node.vendorLabels" -}}
nvidia:
  - nvidia.com/gpu.present
amd:
  - feature.node.kubernetes.io/amd-gpu
  - feature.node.kubernetes.io/pci-0300_1002.present
  - feature.node.kubernetes.io/pci-0302_1002.present
  - feature.node.kubernetes.io/pci-0380_1002.present
  - feature.node.kubernetes.io/pci-1200_1002.present
  - feature.node.kubernetes.io/pci-1002.present
intel:
  - intel.feature.node.kubernetes.io/gpu
  - feature.node.kubernetes.io/pci-0300_8086.present
  - feature.node.kubernetes.io/pci-0302_8086.present
  - feature.node.kubernetes.io/pci-0380_8086.present
{{- end }}

{{- define "gpubroker-node.nodeSelector" -}}
{{- $selector := dict -}}
{{- if and (eq (len .Values.vendors) 1) (has "nvidia" .Values.vendors) -}}
{{- $_ := set $selector "nvidia.com/gpu.present" "true" -}}
{{- end -}}
{{- with merge (deepCopy .Values.nodeSelector) $selector -}}{{ toYaml . }}{{- end -}}
{{- end }}

{{/* The affinity of the values, and for vendors beyond NVIDIA alone a term for each label of each. */}}
{{- define "gpubroker-node.affinity" -}}
{{- $affinity := deepCopy .Values.affinity -}}
{{- if not (or (empty .Values.vendors) (and (eq (len .Values.vendors) 1) (has "nvidia" .Values.vendors))) -}}
{{- $labels := include "gpubroker-node.vendorLabels" . | fromYaml -}}
{{- $terms := list -}}
{{- range $vendor := .Values.vendors -}}
{{- range $label := index $labels $vendor -}}
{{- $terms = append $terms (dict "matchExpressions" (list (dict "key" $label "operator" "In" "values" (list "true")))) -}}
{{- end -}}
{{- end -}}
{{- $required := dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms) -}}
{{- $_ := set $affinity "nodeAffinity" (merge $required (default dict $affinity.nodeAffinity)) -}}
{{- end -}}
{{- with $affinity -}}{{ toYaml . }}{{- end -}}
{{- end }}

{{/* The options of the agent that the chart sets itself. */}}
{{- define "gpubroker-node.ownOptions" -}}
{{- $server := .Values.server -}}
unix-socket: {{ $server.unixSocket }}
socket-mode: {{ $server.socketMode | quote }}
{{- if kindIs "invalid" $server.socketGroup | not }}
socket-group: {{ int64 $server.socketGroup | quote }}
{{- end }}
grpc-address: {{ $server.grpcAddress | quote }}
grpc-allow-writes: {{ $server.grpcAllowWrites }}
{{- if $server.tlsSecret }}
tls-cert: /etc/gpubroker/tls/tls.crt
tls-key: /etc/gpubroker/tls/tls.key
{{- end }}
listen-host: {{ $server.listenHost | quote }}
health-port: {{ int $server.healthPort }}
metrics-port: {{ int $server.metricsPort }}
shutdown-delay: {{ int $server.shutdownDelaySeconds }}s
shutdown-timeout: {{ int $server.shutdownTimeoutSeconds }}s
data-dir: {{ .Values.dataDir }}
{{- if .Values.podResources.enabled }}
pod-resources-socket: /var/lib/kubelet/pod-resources/kubelet.sock
{{- end }}
log-level: {{ .Values.logging.level }}
log-format: {{ .Values.logging.format }}
host-root: /host
driver-root: {{ ternary "/host-driver" "/run/nvidia/driver" (eq .Values.deviceAccess "privileged") }}
kernel-log: {{ ternary "on" "off" .Values.kernelLog.enabled | quote }}
{{- with .Values.broker }}
{{- if .url }}
broker-url: {{ .url | quote }}
{{- if .caSecret }}
broker-ca: /etc/gpubroker/broker-ca/ca.crt
{{- end }}
{{- if .tokenSecret }}
onboarding-token-file: /etc/gpubroker/broker-token/token
{{- end }}
{{- if .clientCertSecret }}
broker-client-cert: /etc/gpubroker/broker-client-cert/tls.crt
broker-client-key: /etc/gpubroker/broker-client-cert/tls.key
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The options of the device plugin that the chart sets itself. */}}
{{- define "gpubroker-node.pluginOptions" -}}
unix-socket: {{ .Values.server.unixSocket }}
kubelet-socket: /var/lib/kubelet/device-plugins/kubelet.sock
{{- with .Values.devicePlugin }}
resource-name: {{ .resourceName }}
mig-strategy: {{ .migStrategy }}
allocate: {{ .allocate }}
health-port: {{ int .healthPort }}
metrics-port: {{ int .metricsPort }}
{{- end }}
listen-host: {{ .Values.server.listenHost | quote }}
shutdown-delay: 0s
shutdown-timeout: {{ int .Values.server.shutdownTimeoutSeconds }}s
log-level: {{ .Values.logging.level }}
log-format: {{ .Values.logging.format }}
host-root: /host
{{- end }}

{{/* Refuses what the schema cannot: values that do not go together. */}}
{{- define "gpubroker-node.check" -}}
{{- with .Values -}}
{{- if and .kernelLog.enabled (ne .deviceAccess "privileged") -}}
{{- fail "kernelLog.enabled needs deviceAccess: privileged, because /dev/kmsg cannot be opened in another container" -}}
{{- end -}}
{{- if and .vendors (dig "nodeAffinity" "requiredDuringSchedulingIgnoredDuringExecution" nil .affinity) -}}
{{- fail "affinity: a required node affinity of your own goes only with vendors: [], because vendors make one; use nodeSelector for further labels" -}}
{{- end -}}
{{- if and (not .broker.url) (or .broker.caSecret .broker.tokenSecret .broker.clientCertSecret) -}}
{{- fail "broker.url is empty, but broker.caSecret, broker.tokenSecret or broker.clientCertSecret is given: give both or neither" -}}
{{- end -}}
{{- $ports := dict "server.healthPort" .server.healthPort "server.metricsPort" .server.metricsPort -}}
{{- if .devicePlugin.enabled -}}
{{- $_ := set $ports "devicePlugin.healthPort" .devicePlugin.healthPort -}}
{{- $_ := set $ports "devicePlugin.metricsPort" .devicePlugin.metricsPort -}}
{{- end -}}
{{- range $one, $port := $ports -}}
{{- range $other, $same := $ports -}}
{{- if and (lt $one $other) (eq (int $port) (int $same)) -}}
{{- fail (printf "%s and %s are both %d: give them different ports" $one $other (int $port)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .server.grpcAddress (not (regexMatch "^(127\\.[0-9.]+|\\[::1\\]|localhost):" .server.grpcAddress)) (not (and .server.grpcAllowWrites .server.tlsSecret)) -}}
{{- fail (printf "server.grpcAddress: %s can be reached from other pods: give server.grpcAllowWrites: true and server.tlsSecret, or a loopback address" .server.grpcAddress) -}}
{{- end -}}
{{- end -}}
{{- end }}
