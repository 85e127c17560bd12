// What each XID of an NVIDIA driver means: its class, and what should be done about it. Data and nothing else; what
// follows from a class is in events.ts.
//
// Where the rows come from: the Xid catalog of NVIDIA (docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html),
// for GPUs since Ampere, with code, mnemonic, description, the GPUs to which it applies, and the "resolution bucket" of
// the immediate action. Every row was compared with a stored copy of that page in November 2026. What could not be
// checked here: the live page, the spreadsheet behind it, and any of these events on a real GPU.
//
// Where the classes come from is said by each entry's `source`:
//
//   catalog    from the bucket, by `buckets` below
//   plugin     faults of applications, which NVIDIA's Kubernetes device plugin ignores as well
//   ours       where the bucket alone would call a GPU sick that is not, or well that is not; `ours` says why
//
// The catalog says to which GPUs a code applies, but gives none a different meaning on another: so there is one class a
// code. A GPU that reports a code which the catalog does not list for it is believed. The NVLink codes 144 to 150 have
// subcodes, some of them harmless, of which the driver's event says nothing: they count as fatal, and where they are
// harmless the recovery action reads none, and the GPU is healthy again after its quiet period.

/** What follows from an XID. */
export type XidClass =
  /** The GPU is not to be used until it has recovered. */
  | 'fatal'
  /** The GPU works, but a reset is due before it is used again. */
  | 'reset'
  /** An error that the GPU has contained: one application is lost, the GPU is not. */
  | 'contained'
  /** An application's fault, not the GPU's. */
  | 'application'
  /** Something was recorded of which the counters and the recovery action say what it means: they are read again. */
  | 'read-again'
  /** To be known, and no more. */
  | 'warning';

/** The generations of GPUs that the catalog tells apart, as the device record calls architectures. */
export type XidArchitecture = 'ampere' | 'hopper' | 'blackwell';

/** The actions of NVIDIA's device API; empty for none. */
export type RecommendedAction =
  | ''
  | 'RestartApp'
  | 'ReportIssue'
  | 'RunFieldDiagnostics'
  | 'ResetGPU'
  | 'ResetFabric'
  | 'RestartVM'
  | 'RebootNode';

/** One XID. */
export interface Xid {
  readonly code: number;
  /** The driver's own name for it. */
  readonly mnemonic: string;
  /** In a few words. */
  readonly description: string;
  /** The generations to which the catalog says that it applies; none for codes that are unused since Ampere. */
  readonly architectures: readonly XidArchitecture[];
  /** The catalog's bucket of the immediate action; empty where it names none. */
  readonly bucket: Bucket;
  readonly class: XidClass;
  readonly action: RecommendedAction;
  readonly source: 'catalog' | 'plugin' | 'ours';
}

type Bucket = keyof typeof buckets;
type Meaning = Pick<Xid, 'class' | 'action'>;

/** What a bucket of the catalog means where nothing below says otherwise. */
const buckets = {
  '': { class: 'warning', action: '' },
  IGNORE: { class: 'warning', action: '' },
  RESTART_APP: { class: 'warning', action: 'RestartApp' },
  CONTACT_SUPPORT: { class: 'warning', action: 'ReportIssue' },
  CHECK_MECHANICALS: { class: 'warning', action: 'ReportIssue' },
  CHECK_UVM: { class: 'warning', action: 'ReportIssue' },
  UPDATE_SWFW: { class: 'warning', action: 'ReportIssue' },
  WORKFLOW_XID_45: { class: 'warning', action: '' },
  XID_154: { class: 'read-again', action: '' },
  RESET_GPU: { class: 'fatal', action: 'ResetGPU' },
  WORKFLOW_XID_48: { class: 'fatal', action: 'ResetGPU' },
  WORKFLOW_NVLINK_ERR: { class: 'fatal', action: 'ResetGPU' },
  WORKFLOW_NVLINK5_ERR: { class: 'fatal', action: 'ResetGPU' },
  RESTART_BM: { class: 'fatal', action: 'RebootNode' },
  RESTART_VM: { class: 'reset', action: 'RestartVM' },
} as const satisfies Record<string, Meaning>;

const application = { class: 'application', action: 'RestartApp', source: 'plugin' } as const;

/** Where the class does not come from the bucket. */
const exceptions: Readonly<Record<number, Meaning & Pick<Xid, 'source'>>> = {
  13: application,
  31: application,
  43: application,
  45: application,
  68: application,
  // Since R570 the bucket is RESET_GPU; the recovery action then says so by itself.
  109: application,
  // Only records a remapping: the counters say whether one waits for a reset.
  63: { class: 'read-again', action: '', source: 'ours' },
  // "Contained to one application": the GPU may be used on, and is reset when convenient.
  94: { class: 'contained', action: 'RestartApp', source: 'ours' },
  // Also sent for links that are put to sleep or taken down on purpose.
  155: { class: 'warning', action: 'ResetGPU', source: 'ours' },
  // A resource was retired, and the reset that the bucket asks for makes it so: nothing says that the rest is broken.
  156: { class: 'reset', action: 'ResetGPU', source: 'ours' },
};

type Row = readonly [code: number, mnemonic: string, description: string, applies: string, bucket: Bucket];

/** Letters of `applies`: A100, H100, B100, GB200. */
const rows: readonly Row[] = [
  [8, 'ROBUST_CHANNEL_FIFO_ERROR_IDLE_TIMEOUT', 'GPU stopped processing', 'AHBG', 'RESTART_APP'],
  [11, 'ROBUST_CHANNEL_GR_ERROR_MISSING_HW', 'invalid or corrupted push buffer stream', 'AHBG', 'RESTART_APP'],
  [13, 'ROBUST_CHANNEL_GR_EXCEPTION', 'graphics engine exception', 'AHBG', 'RESTART_APP'],
  [14, 'ROBUST_CHANNEL_FAKE_ERROR', 'error injected from user space', 'AHBG', 'IGNORE'],
  [25, 'ROBUST_CHANNEL_GR_ILLEGAL_NOTIFY', 'invalid or illegal push buffer stream', 'AHBG', 'RESTART_APP'],
  [31, 'ROBUST_CHANNEL_FIFO_ERROR_MMU_ERR_FLT', 'GPU memory page fault', 'AHBG', 'RESTART_APP'],
  [32, 'ROBUST_CHANNEL_PBDMA_ERROR', 'invalid or corrupted push buffer stream', 'AHBG', 'RESTART_APP'],
  [37, 'ROBUST_CHANNEL_FECS_ERR_UNIMP_FIRMWARE_METHOD', 'driver firmware error', 'AHBG', 'IGNORE'],
  [38, 'ROBUST_CHANNEL_FECS_ERR_WATCHDOG_TIMEOUT', 'driver firmware error', 'AHBG', 'IGNORE'],
  [39, 'ROBUST_CHANNEL_CE0_ERROR', 'copy engine exception', 'AHBG', 'RESTART_APP'],
  [40, 'ROBUST_CHANNEL_CE1_ERROR', 'copy engine exception', 'AHBG', 'RESTART_APP'],
  [41, 'ROBUST_CHANNEL_CE2_ERROR', 'copy engine exception', 'AHBG', 'RESTART_APP'],
  [43, 'ROBUST_CHANNEL_RESETCHANNEL_VERIF_ERROR', 'GPU stopped processing for an application', 'AHBG', 'IGNORE'],
  [44, 'ROBUST_CHANNEL_GR_FAULT_DURING_CTXSW', 'graphics engine fault during context switch', 'AHBG', 'IGNORE'],
  [45, 'ROBUST_CHANNEL_PREEMPTIVE_REMOVAL', 'pre-emptive cleanup after earlier errors', 'AHBG', 'WORKFLOW_XID_45'],
  [46, 'ROBUST_CHANNEL_GPU_TIMEOUT_ERROR', 'GPU stopped processing', 'AHBG', 'RESET_GPU'],
  [48, 'ROBUST_CHANNEL_GPU_ECC_DBE', 'double-bit ECC error', 'AHBG', 'WORKFLOW_XID_48'],
  [54, 'SILENT_RUNNING_PWR_REDUCED_CLOCKING', 'auxiliary power is not connected', 'AHB', 'CHECK_MECHANICALS'],
  [60, 'ROBUST_CHANNEL_SEC2_ERROR', 'video processor exception', 'AHBG', 'RESTART_APP'],
  [62, 'PMU_HALT_ERROR', 'internal micro-controller halt', 'AHBG', 'RESET_GPU'],
  [63, 'INFOROM_DRAM_RETIREMENT_EVENT', 'GPU memory remapping event', 'AHBG', 'IGNORE'],
  [64, 'INFOROM_DRAM_RETIREMENT_FAILURE', 'GPU memory remapping failure', 'AHBG', 'RESET_GPU'],
  [66, 'ROBUST_CHANNEL_FECS_ERR_REG_ACCESS_VIOLATION', 'illegal access by the driver', 'AHBG', 'IGNORE'],
  [67, 'ROBUST_CHANNEL_FECS_ERR_VERIF_VIOLATION', 'illegal access by the driver', 'AHBG', 'IGNORE'],
  [68, 'ROBUST_CHANNEL_NVDEC0_ERROR', 'NVDEC0 exception', 'AHBG', 'RESTART_APP'],
  [69, 'ROBUST_CHANNEL_GR_CLASS_ERROR', 'graphics engine class error', 'AHBG', 'RESTART_APP'],
  [70, 'ROBUST_CHANNEL_CE3_ERROR', 'copy engine 3 error', 'AHBG', 'RESTART_APP'],
  [71, 'ROBUST_CHANNEL_CE4_ERROR', 'copy engine 4 error', 'AHBG', 'RESTART_APP'],
  [72, 'ROBUST_CHANNEL_CE5_ERROR', 'copy engine 5 error', 'AHBG', 'RESTART_APP'],
  [74, 'NVLINK_ERROR', 'NVLink error', 'AH', 'WORKFLOW_NVLINK_ERR'],
  [75, 'ROBUST_CHANNEL_CE6_ERROR', 'copy engine 6 error', 'AHBG', 'RESTART_APP'],
  [76, 'ROBUST_CHANNEL_CE7_ERROR', 'copy engine 7 error', 'AHBG', 'RESTART_APP'],
  [77, 'ROBUST_CHANNEL_CE8_ERROR', 'copy engine 8 error', 'AHBG', 'RESTART_APP'],
  [78, 'VGPU_START_ERROR', 'vGPU start error', 'AHBG', 'UPDATE_SWFW'],
  [79, 'ROBUST_CHANNEL_GPU_HAS_FALLEN_OFF_THE_BUS', 'GPU has fallen off the bus', 'AHBG', 'RESTART_BM'],
  [80, 'PBDMA_PUSHBUFFER_CRC_MISMATCH', 'corrupted data sent to the GPU', 'AH', 'RESTART_APP'],
  [82, 'ROBUST_CHANNEL_NVJPG0_ERROR', 'NVJPG0 error', 'AHBG', 'RESTART_APP'],
  [83, 'ROBUST_CHANNEL_NVDEC1_ERROR', 'NVDEC1 error', 'AHBG', 'RESTART_APP'],
  [84, 'ROBUST_CHANNEL_NVDEC2_ERROR', 'NVDEC2 error', 'AHBG', 'RESTART_APP'],
  [85, 'ROBUST_CHANNEL_CE9_ERROR', 'copy engine 9 error', 'AHBG', 'RESTART_APP'],
  [86, 'ROBUST_CHANNEL_OFA0_ERROR', 'OFA exception', 'AHBG', 'RESTART_APP'],
  [88, 'ROBUST_CHANNEL_NVDEC3_ERROR', 'NVDEC3 error', 'AHBG', 'RESTART_APP'],
  [89, 'ROBUST_CHANNEL_NVDEC4_ERROR', 'NVDEC4 error', 'AHBG', 'RESTART_APP'],
  [92, 'EXCESSIVE_SBE_INTERRUPTS', 'high rate of single-bit ECC errors', 'AHBG', 'IGNORE'],
  [93, 'INFOROM_ERASE_LIMIT_EXCEEDED', 'InfoROM wear limit violated', 'A', 'IGNORE'],
  [94, 'ROBUST_CHANNEL_CONTAINED_ERROR', 'contained memory error', 'AHBG', 'RESTART_APP'],
  [95, 'ROBUST_CHANNEL_UNCONTAINED_ERROR', 'uncontained memory error', 'AHBG', 'RESET_GPU'],
  [96, 'ROBUST_CHANNEL_NVDEC5_ERROR', 'NVDEC5 error', 'HBG', 'RESTART_APP'],
  [97, 'ROBUST_CHANNEL_NVDEC6_ERROR', 'NVDEC6 error', 'HBG', 'RESTART_APP'],
  [98, 'ROBUST_CHANNEL_NVDEC7_ERROR', 'NVDEC7 error', 'HBG', 'RESTART_APP'],
  [99, 'ROBUST_CHANNEL_NVJPG1_ERROR', 'NVJPG1 error', 'HBG', 'RESTART_APP'],
  [100, 'ROBUST_CHANNEL_NVJPG2_ERROR', 'NVJPG2 error', 'HBG', 'RESTART_APP'],
  [101, 'ROBUST_CHANNEL_NVJPG3_ERROR', 'NVJPG3 error', 'HBG', 'RESTART_APP'],
  [102, 'ROBUST_CHANNEL_NVJPG4_ERROR', 'NVJPG4 error', 'HBG', 'RESTART_APP'],
  [103, 'ROBUST_CHANNEL_NVJPG5_ERROR', 'NVJPG5 error', 'HBG', 'RESTART_APP'],
  [104, 'ROBUST_CHANNEL_NVJPG6_ERROR', 'NVJPG6 error', 'HBG', 'RESTART_APP'],
  [105, 'ROBUST_CHANNEL_NVJPG7_ERROR', 'NVJPG7 error', 'HBG', 'RESTART_APP'],
  [106, 'SMBPBI_TEST_MESSAGE', 'SMBPBI test message', 'AHBG', 'IGNORE'],
  [107, 'SMBPBI_TEST_MESSAGE_SILENT', 'silent SMBPBI test message', 'AHBG', 'IGNORE'],
  [108, 'NVLINK_REMOTE_TRANSLATION_ERROR', 'NVLink remote translation error', 'AHBG', 'IGNORE'],
  [109, 'ROBUST_CHANNEL_CTXSW_TIMEOUT_ERROR', 'context switch timeout', 'AHBG', 'RESET_GPU'],
  [110, 'SEC_FAULT_ERROR', 'security fault', 'HBG', 'RESET_GPU'],
  [119, 'GSP_RPC_TIMEOUT', 'GSP RPC timeout', 'AHBG', 'RESET_GPU'],
  [120, 'GSP_ERROR', 'GSP error', 'AHBG', 'RESET_GPU'],
  [121, 'C2C_ERROR', 'corrected C2C error', 'G', 'IGNORE'],
  [126, 'ROBUST_CHANNEL_CE10_ERROR', 'copy engine 10 error', 'BG', 'RESTART_APP'],
  [127, 'ROBUST_CHANNEL_CE11_ERROR', 'copy engine 11 error', 'BG', 'RESTART_APP'],
  [128, 'ROBUST_CHANNEL_CE12_ERROR', 'copy engine 12 error', 'BG', 'RESTART_APP'],
  [129, 'ROBUST_CHANNEL_CE13_ERROR', 'copy engine 13 error', 'BG', 'RESTART_APP'],
  [130, 'ROBUST_CHANNEL_CE14_ERROR', 'copy engine 14 error', 'BG', 'RESTART_APP'],
  [131, 'ROBUST_CHANNEL_CE15_ERROR', 'copy engine 15 error', 'BG', 'RESTART_APP'],
  [132, 'ROBUST_CHANNEL_CE16_ERROR', 'copy engine 16 error', 'BG', 'RESTART_APP'],
  [133, 'ROBUST_CHANNEL_CE17_ERROR', 'copy engine 17 error', 'BG', 'RESTART_APP'],
  [134, 'ROBUST_CHANNEL_CE18_ERROR', 'copy engine 18 error', 'BG', 'RESTART_APP'],
  [135, 'ROBUST_CHANNEL_CE19_ERROR', 'copy engine 19 error', 'BG', 'RESTART_APP'],
  [136, 'ALI_TRAINING_FAIL', 'NVLink training failed', 'H', 'RESET_GPU'],
  [137, 'NVLINK_PRIV_ERR', 'NVLink privilege error', 'AHBG', 'IGNORE'],
  [139, 'ROBUST_CHANNEL_OFA1_ERROR', 'OFA1 error', 'BG', 'RESTART_APP'],
  [140, 'UNRECOVERABLE_ECC_ERROR_ESCAPE', 'unrecovered ECC error', 'AHBG', 'RESET_GPU'],
  [141, 'ROBUST_CHANNEL_FAST_PATH_ERROR', 'CUDA fast path error', 'HBG', 'IGNORE'],
  [142, 'ROBUST_CHANNEL_NVENC3_ERROR', 'NVENC3 error', 'G', 'CONTACT_SUPPORT'],
  [143, 'GPU_INIT_ERROR', 'GPU initialisation error', 'HBG', 'RESET_GPU'],
  [144, 'NVLINK_SAW_ERROR', 'NVLink SAW error', 'BG', 'WORKFLOW_NVLINK5_ERR'],
  [145, 'NVLINK_RLW_ERROR', 'NVLink RLW error', 'BG', 'WORKFLOW_NVLINK5_ERR'],
  [146, 'NVLINK_TLW_ERROR', 'NVLink TLW error', 'BG', 'WORKFLOW_NVLINK5_ERR'],
  [147, 'NVLINK_TREX_ERROR', 'NVLink TREX error', 'BG', 'WORKFLOW_NVLINK5_ERR'],
  [148, 'NVLINK_NVLPW_CTRL_ERROR', 'NVLink NVLPW_CTRL error', 'BG', 'WORKFLOW_NVLINK5_ERR'],
  [149, 'NVLINK_NETIR_ERROR', 'NVLink NETIR error', 'BG', 'WORKFLOW_NVLINK5_ERR'],
  [150, 'NVLINK_MSE_ERROR', 'NVLink MSE error', 'BG', 'WORKFLOW_NVLINK5_ERR'],
  [151, 'ROBUST_CHANNEL_KEY_ROTATION_ERROR', 'key rotation error', 'HBG', 'RESTART_VM'],
  [152, 'ROBUST_CHANNEL_DLA_SMMU_ERROR', 'DLA SMMU error', '', 'IGNORE'],
  [153, 'ROBUST_CHANNEL_DLA_TIMEOUT', 'DLA timeout', '', 'IGNORE'],
  [154, 'GPU_RECOVERY_ACTION_CHANGED', 'GPU recovery action changed', 'AHBG', 'XID_154'],
  [155, 'NVLINK_SW_DEFINED_ERROR', 'NVLink error defined by software', 'BG', 'RESET_GPU'],
  [156, 'RESOURCE_RETIREMENT_EVENT', 'resource retirement event', 'HBG', 'RESET_GPU'],
  [157, 'RESOURCE_RETIREMENT_FAILURE', 'resource retirement failure', 'HBG', 'IGNORE'],
  [158, 'GPU_FATAL_TIMEOUT', 'GPU fatal timeout', 'AHBG', 'RESET_GPU'],
  [159, 'ROBUST_CHANNEL_CHI_NON_DATA_ERROR', 'CHI non-data error', 'BG', 'CHECK_UVM'],
  [160, 'CHANNEL_RETIREMENT_EVENT', 'channel retirement event', 'BG', 'IGNORE'],
  [161, 'CHANNEL_RETIREMENT_FAILURE', 'channel retirement failure', 'BG', 'IGNORE'],
  [162, 'PSHC_REENGAGED', 'power smoothing engaged again', 'BG', ''],
  [163, 'PSHC_DISENGAGED', 'power smoothing disengaged', 'BG', ''],
  [164, 'PSHC_LOW_LIFETIME', 'power smoothing near the end of its life', 'BG', ''],
  [165, 'PSHC_ZERO_LIFETIME', 'power smoothing at the end of its life', 'BG', ''],
  [166, 'NVLINK_SECURE_CRYPTO_ERR', 'NVLink traffic before encryption was set up', 'BG', ''],
  [167, 'PCIE_FATAL_TIMEOUT', 'PCIe fatal timeout', 'HBG', ''],
  [168, 'REDUCED_GPU_MEMORY_CAPACITY', 'errors in the write-protected region', 'AHBG', ''],
  [169, 'SEC2_HALT_ERROR', 'internal micro-controller halt', 'HBG', ''],
  [170, 'NVLINK_SECURE_OTHER', 'NVLink interrupt in confidential computing', 'BG', ''],
  [171, 'UNCORRECTABLE_DRAM_ERROR', 'uncorrectable DRAM error, in addition to XID 48', 'AHBG', ''],
  [172, 'UNCORRECTABLE_SRAM_ERROR', 'uncorrectable SRAM error, in addition to XID 48', 'AHBG', ''],
];

/** Codes that the catalog lists as unused since Ampere; older GPUs may still send them. */
const unused: readonly (readonly [code: number, mnemonic: string])[] = [
  [1, 'ROBUST_CHANNEL_FIFO_ERROR_FIFO_METHOD'],
  [2, 'ROBUST_CHANNEL_FIFO_ERROR_SW_METHOD'],
  [3, 'ROBUST_CHANNEL_FIFO_ERROR_UNK_METHOD'],
  [4, 'ROBUST_CHANNEL_FIFO_ERROR_CHANNEL_BUSY'],
  [5, 'ROBUST_CHANNEL_FIFO_ERROR_RUNOUT_OVERFLOW'],
  [6, 'ROBUST_CHANNEL_FIFO_ERROR_PARSE_ERR'],
  [7, 'ROBUST_CHANNEL_FIFO_ERROR_PTE_ERR'],
  [9, 'ROBUST_CHANNEL_GR_ERROR_INSTANCE'],
  [10, 'ROBUST_CHANNEL_GR_ERROR_SINGLE_STEP'],
  [12, 'ROBUST_CHANNEL_GR_ERROR_SW_METHOD'],
  [15, 'ROBUST_CHANNEL_SCANLINE_TIMEOUT'],
  [16, 'ROBUST_CHANNEL_VBLANK_CALLBACK_TIMEOUT'],
  [17, 'ROBUST_CHANNEL_PARAMETER_ERROR'],
  [18, 'ROBUST_CHANNEL_BUS_MASTER_TIMEOUT_ERROR'],
  [19, 'ROBUST_CHANNEL_DISP_MISSED_NOTIFIER'],
  [20, 'ROBUST_CHANNEL_MPEG_ERROR_SW_METHOD'],
  [21, 'ROBUST_CHANNEL_ME_ERROR_SW_METHOD'],
  [22, 'ROBUST_CHANNEL_VP_ERROR_SW_METHOD'],
  [23, 'ROBUST_CHANNEL_RC_LOGGING_ENABLED'],
  [24, 'ROBUST_CHANNEL_GR_SEMAPHORE_TIMEOUT'],
  [26, 'ROBUST_CHANNEL_FIFO_ERROR_FBISTATE_TIMEOUT'],
  [27, 'ROBUST_CHANNEL_VP_ERROR'],
  [28, 'ROBUST_CHANNEL_VP2_ERROR'],
  [29, 'ROBUST_CHANNEL_BSP_ERROR'],
  [30, 'ROBUST_CHANNEL_BAD_ADDR_ACCESS'],
  [33, 'ROBUST_CHANNEL_SEC_ERROR'],
  [34, 'ROBUST_CHANNEL_MSVLD_ERROR'],
  [35, 'ROBUST_CHANNEL_MSPDEC_ERROR'],
  [36, 'ROBUST_CHANNEL_MSPPP_ERROR'],
  [42, 'ROBUST_CHANNEL_VIC_ERROR'],
  [47, 'ROBUST_CHANNEL_NVENC0_ERROR'],
  [49, 'SILENT_RUNNING_CONSTANT_LEVEL_SET_BY_REGISTRY'],
  [50, 'SILENT_RUNNING_LEVEL_TRANSITION_DUE_TO_RC_ERROR'],
  [51, 'SILENT_RUNNING_STRESS_TEST_FAILURE'],
  [52, 'SILENT_RUNNING_LEVEL_TRANS_DUE_TO_TEMP_RISE'],
  [53, 'SILENT_RUNNING_TEMP_REDUCED_CLOCKING'],
  [55, 'SILENT_RUNNING_TEMPERATURE_READ_ERROR'],
  [56, 'DISPLAY_CHANNEL_EXCEPTION'],
  [57, 'FB_LINK_TRAINING_FAILURE_ERROR'],
  [58, 'FB_MEMORY_ERROR'],
  [59, 'PMU_ERROR'],
  [61, 'PMU_BREAKPOINT'],
  [65, 'ROBUST_CHANNEL_NVENC1_ERROR'],
  [73, 'ROBUST_CHANNEL_NVENC2_ERROR'],
  [81, 'ROBUST_CHANNEL_VGA_SUBSYSTEM_ERROR'],
  [87, 'NVTELEMETRY_DRIVER_REPORT'],
  [90, 'LTC_ERROR'],
  [91, 'RESERVED_XID'],
  [111, 'BUNDLE_ERROR_EVENT'],
  [112, 'DISP_SUPERVISOR_ERROR'],
  [113, 'DP_LT_FAILURE'],
  [114, 'HEAD_RG_UNDERFLOW'],
  [115, 'CORE_CHANNEL_REGS'],
  [116, 'WINDOW_CHANNEL_REGS'],
  [117, 'CURSOR_CHANNEL_REGS'],
  [118, 'HEAD_REGS'],
  [122, 'SPI_PMU_RPC_READ_FAIL'],
  [123, 'SPI_PMU_RPC_WRITE_FAIL'],
  [124, 'SPI_PMU_RPC_ERASE_FAIL'],
  [125, 'INFOROM_FS_ERROR'],
  [138, 'ROBUST_CHANNEL_DLA_ERROR'],
];

const letters: readonly (readonly [letters: RegExp, architecture: XidArchitecture])[] = [
  [/A/, 'ampere'],
  [/H/, 'hopper'],
  [/[BG]/, 'blackwell'],
];

function toXid([code, mnemonic, description, applies, bucket]: Row): Xid {
  const architectures = letters.filter(([letter]) => letter.test(applies)).map(([, architecture]) => architecture);
  const meaning = exceptions[code] ?? { ...buckets[bucket], source: 'catalog' as const };
  return { code, mnemonic, description, architectures, bucket, ...meaning };
}

/** Every XID that the catalog lists, by code. */
export const xids: ReadonlyMap<number, Xid> = new Map(
  [...rows, ...unused.map(([code, mnemonic]): Row => [code, mnemonic, 'not used since Ampere', '', 'CONTACT_SUPPORT'])]
    .map(toXid)
    .sort((a, b) => a.code - b.code)
    .map((xid) => [xid.code, xid]),
);

/** What is known of a code; one that the catalog does not list is a warning. */
export function xidOf(code: number): Pick<Xid, 'description' | 'class' | 'action'> {
  return xids.get(code) ?? { description: 'not in the catalog', class: 'warning', action: 'ReportIssue' };
}
