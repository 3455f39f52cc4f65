// The simulated wrapper: it computes in Python, a process for each Run().
#include "MeraDrpRuntimeWrapper.h"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>

extern int simulated_tvm_runtime;

static std::string Fault() {
  const char* fault = std::getenv("DRPAI_SIMULATED_FAULT");
  return fault ? fault : "";
}

static std::vector<char> LoadBinary(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::cerr << "unable to open file " << path << std::endl;  // LOG(FATAL)
    std::abort();
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

static long Number(const std::string& json, const std::string& key) {
  size_t at = json.find("\"" + key + "\": ");
  return at == std::string::npos ? 0 : std::strtol(json.c_str() + at + key.size() + 4, nullptr, 10);
}

MeraDrpRuntimeWrapper::MeraDrpRuntimeWrapper() {
  device_type = kDLDrpAi;
  outputs = simulated_tvm_runtime;
}

#ifdef SIMULATED_RELEASE_1
bool MeraDrpRuntimeWrapper::LoadModel(const std::string& model_dir) { return Open(model_dir, 0); }
#else
bool MeraDrpRuntimeWrapper::LoadModel(const std::string& model_dir, uint32_t start_address) {
  device_type = kDLCPU;
  return Open(model_dir, start_address);
}
bool MeraDrpRuntimeWrapper::LoadModel(const std::string& model_dir, uint64_t start_address) {
  return Open(model_dir, start_address);
}
void MeraDrpRuntimeWrapper::Run(int) { Run(); }
#endif

bool MeraDrpRuntimeWrapper::Open(const std::string& model_dir, uint64_t start_address) {
  std::vector<char> read = LoadBinary(model_dir + "/deploy.json");
  std::string json(read.begin(), read.end());
  bool nothing = Number(json, "drp") != 1 || Fault() == "nothing for it";
  if (nothing && device_type != kDLCPU) return false;
  LoadBinary(model_dir + (Fault() == "missing" ? "/lost.so" : "/deploy.so"));
  LoadBinary(model_dir + "/deploy.params");
  folder = model_dir;
  place = start_address;
  elements = static_cast<size_t>(Number(json, "elements"));
  outputs = static_cast<int>(Number(json, "outputs"));
  return true;
}

template <typename T>
void MeraDrpRuntimeWrapper::SetInput(int, const T* data_ptr) {
  const char* bytes = reinterpret_cast<const char*>(data_ptr);
  input.assign(bytes, bytes + elements * sizeof(T));
}
template void MeraDrpRuntimeWrapper::SetInput<float>(int, const float*);

void MeraDrpRuntimeWrapper::Run() {
  std::string place_of_files = folder + "/../simulated-";
  std::ofstream(place_of_files + "in", std::ios::binary).write(input.data(), static_cast<long>(input.size()));
  std::string command = std::string(SIMULATED) + " " + folder + (device_type == kDLCPU ? " cpu " : " drp ") +
                        std::to_string(place) + " " DRIVER " " + place_of_files + "in " +
                        place_of_files + "out";
  if (std::system(command.c_str()) || Fault() == "killed") std::_Exit(134);
  answers.clear();
  for (int number = 0; number < outputs; ++number) {
    answers.push_back(LoadBinary(place_of_files + "out" + std::to_string(number)));
  }
}

InOutDataType MeraDrpRuntimeWrapper::GetInputDataType(int) {
  return Fault() == "fp16 input" ? InOutDataType::FLOAT16 : InOutDataType::FLOAT32;
}

int MeraDrpRuntimeWrapper::GetNumOutput() { return Fault() == "skips" ? 0 : outputs; }

std::tuple<InOutDataType, void*, int64_t> MeraDrpRuntimeWrapper::GetOutput(int index) {
  std::vector<char>& answer = answers[static_cast<size_t>(index)];
  InOutDataType type = device_type == kDLCPU ? InOutDataType::FLOAT32 : InOutDataType::FLOAT16;
  if (Fault() == "int64") type = InOutDataType::INT64;
  int64_t size = type == InOutDataType::FLOAT32 ? 4 : 2;
  return std::make_tuple(type, static_cast<void*>(answer.data()), static_cast<int64_t>(answer.size()) / size);
}
