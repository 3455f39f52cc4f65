// The simulated wrapper, with the interface of either release.
#pragma once
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

enum class InOutDataType { FLOAT32, FLOAT16, INT64, OTHER };
enum { kDLCPU = 1, kDLDrpAi = 16 };

class MeraDrpRuntimeWrapper {
 public:
  MeraDrpRuntimeWrapper();
#ifdef SIMULATED_RELEASE_1
  bool LoadModel(const std::string& model_dir);
#else
  bool LoadModel(const std::string& model_dir, uint32_t start_address);
  bool LoadModel(const std::string& model_dir, uint64_t start_address);
  void Run(int freq_index);
#endif
  template <typename T>
  void SetInput(int input_index, const T* data_ptr);
  void Run();
  InOutDataType GetInputDataType(int index);
  int GetNumOutput();
  std::tuple<InOutDataType, void*, int64_t> GetOutput(int index);

 private:
  bool Open(const std::string& model_dir, uint64_t start_address);

  int device_type;
  uint64_t place = 0;
  std::string folder;
  size_t elements = 0;
  int outputs = 0;
  std::vector<char> input;
  std::vector<std::vector<char>> answers;
};
