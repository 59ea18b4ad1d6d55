flow.weight @first : tensor<64xf32>
// -----
flow.weight @second : tensor<64xf32>
