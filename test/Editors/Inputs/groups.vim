" Prints each run of characters of one group, in the buffer's syntax, as
" `group text`; what has no group is left out.
syntax sync fromstart
let s:runs = []
for s:line in range(1, line('$'))
  let s:group = ''
  for s:column in range(1, strlen(getline(s:line)))
    let s:name = synIDattr(synID(s:line, s:column, 1), 'name')
    if s:name ==# s:group && s:name !=# ''
      let s:runs[-1] .= getline(s:line)[s:column - 1]
    elseif s:name !=# ''
      call add(s:runs, s:name . ' ' . getline(s:line)[s:column - 1])
    endif
    let s:group = s:name
  endfor
endfor
call writefile(s:runs, '/dev/stdout')
quitall!
