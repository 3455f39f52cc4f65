// Runs a network that DRP-AI TVM compiled over files of float32 numbers, and writes what it answers as float32.
//
//   runner MODEL accelerator|cpu PLACE|- DRIVER FREQUENCY|- LIST OUT
//
// LIST has the path of one input in each line; OUT gets NAME_0.bin, NAME_1.bin ... for each. PLACE is how far behind
// the driver's area the network is loaded (release 2); with - the network has its place in itself (release 1).
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <tuple>
#include <vector>

#if __has_include(<linux/drpai.h>)
#include <linux/drpai.h>
#define HAS_DRIVER 1
#endif
#include "MeraDrpRuntimeWrapper.h"

namespace {

[[noreturn]] void fail(const std::string& text) {
  std::cout << "[ERROR] " << text << std::endl;
  std::exit(1);
}

uint64_t base_of(const std::string& driver) {
#ifdef HAS_DRIVER
  int file = open(driver.c_str(), O_RDWR);
  if (file < 0) fail("the driver " + driver + ": " + std::strerror(errno));
  drpai_data_t area;
  if (ioctl(file, DRPAI_GET_DRPAI_AREA, &area) == -1) fail("the driver " + driver + ": " + std::strerror(errno));
  close(file);
  return area.address;
#else
  fail("the driver " + driver + ": this program was built without linux/drpai.h");
#endif
}

// Both releases of the wrapper: that of release 1 takes the folder only, and its device is set when it is built.
template <typename Runtime>
auto load(Runtime& runtime, const std::string& folder, bool cpu, uint64_t place, int)
    -> decltype(runtime.LoadModel(folder, place)) {
  if (cpu) return runtime.LoadModel(folder, static_cast<uint32_t>(0));
  return runtime.LoadModel(folder, place);
}
template <typename Runtime>
bool load(Runtime& runtime, const std::string& folder, bool, uint64_t, long) {
  return runtime.LoadModel(folder);
}

template <typename Runtime>
auto run(Runtime& runtime, int frequency, int) -> decltype(runtime.Run(frequency)) {
  if (frequency) return runtime.Run(frequency);
  return runtime.Run();
}
template <typename Runtime>
void run(Runtime& runtime, int, long) {
  runtime.Run();
}

float widen(uint16_t half) {
  uint32_t sign = (half & 0x8000u) << 16, exponent = (half >> 10) & 31, fraction = half & 1023u, bits;
  if (exponent == 31) {
    bits = sign | 0x7F800000u | (fraction << 13);
  } else if (exponent) {
    bits = sign | ((exponent + 112) << 23) | (fraction << 13);
  } else {
    float value = static_cast<float>(fraction) / 16777216.0f;
    return sign ? -value : value;
  }
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

std::vector<float> read(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) fail("unable to open file " + path);
  std::vector<float> values(static_cast<size_t>(file.tellg()) / sizeof(float));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  return values;
}

void write(const std::string& path, const std::tuple<InOutDataType, void*, int64_t>& output) {
  auto [type, data, count] = output;
  std::vector<float> values(static_cast<size_t>(count));
  if (type == InOutDataType::FLOAT32) {
    std::memcpy(values.data(), data, values.size() * sizeof(float));
  } else if (type == InOutDataType::FLOAT16) {
    for (size_t at = 0; at < values.size(); ++at) values[at] = widen(static_cast<uint16_t*>(data)[at]);
  } else {
    fail("output of " + path + " is no floating point");
  }
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  file.close();
  if (!file) fail(path + " cannot be written");
}

}  // namespace

int main(int count, char** words) {
  if (count != 8) fail("seven arguments are needed");
  const std::string folder = words[1], mode = words[2], place = words[3], driver = words[4], clock = words[5];
  const bool cpu = mode == "cpu";
  uint64_t address = 0;
  if (!cpu && place != "-") address = base_of(driver) + std::stoull(place, nullptr, 16);
  MeraDrpRuntimeWrapper runtime;
  if (!load(runtime, folder, cpu, address, 0)) fail("the network has nothing for the accelerator");
  if (runtime.GetInputDataType(0) != InOutDataType::FLOAT32) fail("the network takes no FLOAT32");
  std::ifstream list(words[6]);
  for (std::string path; std::getline(list, path);) {
    std::vector<float> input = read(path);
    runtime.SetInput(0, input.data());
    auto begun = std::chrono::steady_clock::now();
    run(runtime, clock == "-" ? 0 : std::stoi(clock), 0);
    std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - begun;
    std::cout << "[TIME] AI Processing Time: " << spent.count() << " msec." << std::endl;
    std::string name = path.substr(path.rfind('/') + 1);
    name = std::string(words[7]) + "/" + name.substr(0, name.rfind('.'));
    for (int number = 0; number < runtime.GetNumOutput(); ++number) {
      write(name + "_" + std::to_string(number) + ".bin", runtime.GetOutput(number));
    }
  }
  return 0;
}
