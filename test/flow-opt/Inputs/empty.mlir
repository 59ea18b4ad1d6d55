// A module that holds nothing.
module {
}
