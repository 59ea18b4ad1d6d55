# cmake -DIN=FILE|FILE... -DOUT=FILE -P EmbedText.cmake
# Writes the texts of IN, one after the other and without the comment with which
# a generated page begins, as a C++ raw string literal.

string(REPLACE "|" ";" files "${IN}")
set(text "")
foreach(file ${files})
  file(READ "${file}" page)
  string(REGEX REPLACE "^<!--[^\n]*-->\n" "" page "${page}")
  string(APPEND text "${page}")
endforeach()
file(WRITE "${OUT}" "R\"FLOWTEXT(${text})FLOWTEXT\"\n")
